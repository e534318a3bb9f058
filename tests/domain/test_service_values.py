"""Domain values of the service: job records, stages, keys, pages, webhooks and blob keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.domain.blob import blob_path
from shared.domain.error import InvalidRequest, OutboundFailed
from shared.domain.job import Job, Source
from shared.domain.job_record import MAX_METADATA, JobFailure, JobRecord, JobStatus, NewJob
from shared.domain.page import Cursor
from shared.domain.tenant import ApiKey, Scope
from shared.domain.webhook import EncryptedSecret, EventType, WebhookEndpoint, job_ended_event, rotate_secrets
from shared.domain.work import PlannedStage, StageRow, StageStatus

NOW = datetime(2026, 11, 2, 21, 49, 25, 586965, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOB = Job(id="j1", recording=Source(name="Müller geheim.mp4", sha256="0" * 64))


def record(**changes: object) -> JobRecord:
    facts = {"job": JOB, "tenant": "t", "status": JobStatus.DONE, "stages": (), "created_at": NOW}
    return JobRecord.model_validate({**facts, **changes})


def row(state: StageStatus, progress: float) -> StageRow:
    return StageRow(name=state, status=state, progress=progress)


def test_progress_is_the_mean_over_stages() -> None:
    stages = (row(StageStatus.DONE, 0.3), row(StageStatus.RUNNING, 0.5), row(StageStatus.WAITING, 0))
    assert record(stages=stages).progress == pytest.approx(0.5)
    assert record().progress == 0


@pytest.mark.parametrize(
    "plan",
    [
        (),
        (("a", ()), ("a", ())),
        (("a", ("missing",)),),
        (("a", ("b",)), ("b", ("a",))),
    ],
    ids=["empty", "duplicate", "unmet need", "cycle"],
)
def test_plan_that_cannot_finish_is_rejected(plan: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    with pytest.raises((ValidationError, InvalidRequest)):
        NewJob(job=JOB, stages=tuple(PlannedStage(name=name, needs=needs) for name, needs in plan))


def test_metadata_size_is_limited() -> None:
    plan = (PlannedStage(name="a"),)
    NewJob(job=JOB, stages=plan, metadata={"k": "v"}).check()
    with pytest.raises(InvalidRequest, match=str(MAX_METADATA)):
        NewJob(job=JOB, stages=plan, metadata={"k": "v" * MAX_METADATA}).check()


def test_job_is_active_until_it_ends_and_deleted_once_erasure_starts() -> None:
    assert {status for status in JobStatus if status.active} == {JobStatus.QUEUED, JobStatus.RUNNING}
    assert {status for status in JobStatus if status.deleted} == {JobStatus.ERASING, JobStatus.ERASED}


def test_key_is_usable_until_it_expires_or_is_revoked() -> None:
    key = ApiKey(
        id="k1", tenant="t", secret_sha256="a" * 64, scopes=frozenset({Scope.TRANSCRIPTS_READ}), created_at=NOW
    )
    assert key.usable(NOW)
    assert not key.model_copy(update={"expires_at": NOW}).usable(NOW)
    assert not key.model_copy(update={"revoked_at": NOW - HOUR}).usable(NOW)
    assert key.has_scope(Scope.TRANSCRIPTS_READ) and not key.has_scope(Scope.EMOTIONS_READ)
    assert key.model_copy(update={"scopes": frozenset({Scope.ADMIN})}).has_scope(Scope.EMOTIONS_READ)
    assert "a" * 64 not in repr(key)


def test_cursor_round_trips_and_invalid_cursors_are_rejected() -> None:
    cursor = Cursor(at=NOW, id="j1")
    assert Cursor.parse(str(cursor)) == cursor
    for invalid in ("", "é", "!!!", "AAAA", str(cursor)[:-6]):
        with pytest.raises(InvalidRequest, match="cursor"):
            Cursor.parse(invalid)


def test_event_contains_no_content_of_the_recording() -> None:
    event = job_ended_event(record(metadata={"meeting": "é1"}), NOW, "https://our.example")
    assert (event.event_type, json.loads(event.body)) == (
        EventType.TRANSCRIPT_READY,
        {
            "type": "transcript.ready",
            "timestamp": "2026-11-02T21:49:25Z",
            "data": {
                "job_id": "j1",
                "status": "done",
                "metadata": {"meeting": "é1"},
                "transcript_url": "https://our.example/v1/transcripts/j1",
            },
        },
    )
    assert "geheim" not in event.body.decode()


def test_failure_event_contains_the_error_code() -> None:
    failure = JobFailure(code="no_audio", message="There is no audio.", stage="decode")
    event = job_ended_event(record(status=JobStatus.FAILED, error=failure), NOW)
    assert event.event_type is EventType.JOB_FAILED
    assert json.loads(event.body)["data"]["error"] == {"code": "no_audio", "stage": "decode"}


def test_rotated_secret_signs_until_it_expires() -> None:
    first = (EncryptedSecret(ciphertext="one"),)
    second = rotate_secrets(first, "two", NOW, NOW + HOUR)
    third = rotate_secrets(second, "three", NOW + HOUR / 2, NOW + 2 * HOUR)
    endpoint = WebhookEndpoint(
        id="e", tenant="t", url="https://hook.example", event_types=frozenset(EventType), secrets=third, created_at=NOW
    )
    assert endpoint.signing_secrets(NOW + HOUR / 2) == ("three", "two", "one")
    assert endpoint.signing_secrets(NOW + HOUR) == ("three", "two"), "a second rotation does not prolong the oldest"
    assert endpoint.signing_secrets(NOW + 2 * HOUR) == ("three",)
    assert [secret.ciphertext for secret in rotate_secrets(third, "four", NOW + 3 * HOUR, NOW + 4 * HOUR)] == [
        "four",
        "three",
    ]


@pytest.mark.parametrize("key", ["", "a//b", "../b", "a/..", ".hidden", "/a", "a b", "a\\b", "ä", "a\n", "a" * 200])
def test_invalid_blob_key_is_rejected(key: str) -> None:
    with pytest.raises(ValueError, match="plain words"):
        blob_path("tenant", key)
    assert blob_path("tenant", "jobs/1/media") == "tenant/jobs/1/media"


def test_outbound_failure_has_a_reason() -> None:
    assert OutboundFailed("It did not answer.", reason="timeout").reason == "timeout"
