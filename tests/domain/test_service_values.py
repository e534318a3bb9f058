"""The nouns of the service: jobs as kept, their stages, keys, pages, webhooks and blob keys."""

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


def test_progress_is_the_share_of_the_stages() -> None:
    stages = (row(StageStatus.DONE, 0.3), row(StageStatus.RUNNING, 0.5), row(StageStatus.WAITING, 0))
    assert record(stages=stages).progress == pytest.approx(0.5)
    assert record().progress == 0


@pytest.mark.parametrize(
    "plan",
    [
        (),
        (("a", ()), ("a", ())),
        (("a", ("nowhere",)),),
        (("a", ("b",)), ("b", ("a",))),
    ],
    ids=["empty", "twice", "unmet need", "circle"],
)
def test_a_plan_that_cannot_end_is_refused(plan: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    with pytest.raises((ValidationError, InvalidRequest)):
        NewJob(job=JOB, stages=tuple(PlannedStage(name=name, needs=needs) for name, needs in plan))


def test_metadata_have_a_limit() -> None:
    plan = (PlannedStage(name="a"),)
    NewJob(job=JOB, stages=plan, metadata={"k": "v"}).check()
    with pytest.raises(InvalidRequest, match=str(MAX_METADATA)):
        NewJob(job=JOB, stages=plan, metadata={"k": "v" * MAX_METADATA}).check()


def test_a_job_is_alive_until_it_ends_and_gone_once_erasure_begins() -> None:
    assert {status for status in JobStatus if status.active} == {JobStatus.QUEUED, JobStatus.RUNNING}
    assert {status for status in JobStatus if status.deleted} == {JobStatus.ERASING, JobStatus.ERASED}


def test_a_key_is_usable_between_its_making_and_its_end() -> None:
    key = ApiKey(
        id="k1", tenant="t", secret_sha256="a" * 64, scopes=frozenset({Scope.TRANSCRIPTS_READ}), created_at=NOW
    )
    assert key.usable(NOW)
    assert not key.model_copy(update={"expires_at": NOW}).usable(NOW)
    assert not key.model_copy(update={"revoked_at": NOW - HOUR}).usable(NOW)
    assert key.has_scope(Scope.TRANSCRIPTS_READ) and not key.has_scope(Scope.EMOTIONS_READ)
    assert key.model_copy(update={"scopes": frozenset({Scope.ADMIN})}).has_scope(Scope.EMOTIONS_READ)
    assert "a" * 64 not in repr(key)


def test_a_cursor_survives_its_way_through_the_client_and_rubbish_does_not() -> None:
    cursor = Cursor(at=NOW, id="j1")
    assert Cursor.parse(str(cursor)) == cursor
    for rubbish in ("", "é", "!!!", "AAAA", str(cursor)[:-6]):
        with pytest.raises(InvalidRequest, match="cursor"):
            Cursor.parse(rubbish)


def test_an_announcement_is_thin_and_holds_no_word_of_the_recording() -> None:
    said = job_ended_event(record(metadata={"meeting": "é1"}), NOW, "https://our.example")
    assert (said.event_type, json.loads(said.body)) == (
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
    assert "geheim" not in said.body.decode()


def test_a_failure_is_announced_with_its_code() -> None:
    failure = JobFailure(code="no_audio", message="There is no audio.", stage="decode")
    said = job_ended_event(record(status=JobStatus.FAILED, error=failure), NOW)
    assert said.event_type is EventType.JOB_FAILED
    assert json.loads(said.body)["data"]["error"] == {"code": "no_audio", "stage": "decode"}


def test_rotation_signs_with_the_new_and_for_a_while_with_the_old() -> None:
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
def test_a_blob_key_that_is_not_plain_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="plain words"):
        blob_path("tenant", key)
    assert blob_path("tenant", "jobs/1/media") == "tenant/jobs/1/media"


def test_an_outbound_failure_carries_its_class() -> None:
    assert OutboundFailed("It did not answer.", reason="timeout").reason == "timeout"
