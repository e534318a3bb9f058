"""The captioned video: requested, rendered, served in parts, and deleted with its recording."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from shared.domain.job_blobs import captioned_key
from shared.domain.job_record import JobFailure, JobStatus
from shared.domain.retention import RetentionCategory
from shared.domain.stage_plan import CAPTION
from shared.domain.tenant import Scope
from shared.domain.work import StageStatus, Ticket
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.exports.sample import transcript
from tests.results.conftest import FEEL, READ, ResultsHarness
from tests.results.test_views import at
from tests.service_fakes import held

VIDEO = bytes(range(256)) * 20


def make(harness: ResultsHarness, job_id: str) -> None:
    """Render the video as the worker does."""
    work = SqlWorkStore(harness.database)
    claim = held(work, job_id, CAPTION.name)
    harness.blobs.put("ours", captioned_key(job_id), [VIDEO])
    work.finish_stage(claim, seconds=1)


def state(harness: ResultsHarness, job_id: str) -> StageStatus:
    record = SqlJobStore(harness.database).find("ours", job_id)
    assert record is not None and record.status is JobStatus.DONE and record.progress == 1
    return next(stage.status for stage in record.stages if stage.name == CAPTION.name)


def test_an_existing_video_is_served(harness: ResultsHarness) -> None:
    made = harness.done()
    web, path = harness.web(), at(made.job_id, ".mp4")
    harness.blobs.put("ours", captioned_key(made.job_id), [VIDEO])
    answer = web.get(path)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, VIDEO, "video/mp4")
    assert answer.headers["etag"] == f'"{hashlib.sha256(VIDEO).hexdigest()[:32]}"'
    assert answer.headers["content-disposition"].startswith('attachment; filename="stand up.captioned.mp4"')
    assert web.get(path, headers={"Range": "bytes=256-300"}).content == VIDEO[256:301]
    assert web.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    for without in (web.get(path, params={"emotion": False}), harness.web(READ).get(path)):
        assert (without.status_code, without.json()["code"]) == (409, "video_not_available")
        assert "--no-emotion" in without.json()["hint"]
    web.patch(at(made.job_id, "/speakers/S1"), json={"name": "Anna"})
    assert "original=true" in web.get(path).json()["hint"]
    assert web.get(path, params={"original": True}).content == VIDEO


def test_the_video_is_rendered_once_on_request(harness: ResultsHarness) -> None:
    job_id = harness.done().job_id
    web, path, request_path = harness.web(), at(job_id, ".mp4"), at(job_id, "/video")
    missing = web.get(path)
    assert (missing.status_code, missing.json()["code"]) == (409, "video_not_available")
    assert f"POST {request_path}" in missing.json()["hint"]
    for _ in range(2):
        answer = web.post(request_path)
        assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/jobs/{job_id}")
        assert answer.json() == {"status": "pending", "job_url": f"/v1/jobs/{job_id}", "video_url": path}
    queue = SqlWorkQueue(harness.database)
    assert queue.next_tickets("cpu", max_waiting=9) == (Ticket(job_id=job_id, stage=CAPTION.name),)
    coming = web.get(path)
    assert (coming.status_code, coming.json()["code"]) == (409, "video_not_available")
    assert "being rendered" in coming.json()["detail"] and f"/v1/jobs/{job_id}" in coming.json()["hint"]
    make(harness, job_id)
    assert web.get(path).content == VIDEO
    assert web.post(request_path).json()["status"] == "done"
    assert queue.next_tickets("cpu", max_waiting=9) == ()
    actions = [line.action for line in SqlAuditLog(harness.database).list("ours").items]
    assert actions.count("video.requested") == 3


def test_a_failed_rendering_is_reported_and_retried_and_the_job_stays_done(harness: ResultsHarness) -> None:
    job_id, work = harness.done().job_id, SqlWorkStore(harness.database)
    web = harness.web()
    web.post(at(job_id, "/video"))
    work.fail(
        held(work, job_id, CAPTION.name), JobFailure(code="decode_failed", message="It failed.", stage=CAPTION.name)
    )
    assert state(harness, job_id) is StageStatus.FAILED
    assert "retries it" in web.get(at(job_id, ".mp4")).json()["hint"]
    assert web.post(at(job_id, "/video")).json()["status"] == "pending"
    make(harness, job_id)
    assert web.get(at(job_id, ".mp4")).status_code == 200


def test_a_recording_without_video_cannot_be_captioned(harness: ResultsHarness) -> None:
    original = transcript()
    audio_only = original.model_copy(update={"recording": original.recording.model_copy(update={"has_video": False})})
    job_id = harness.done(published=audio_only).job_id
    for answer in (harness.web().post(at(job_id, "/video")), harness.web().get(at(job_id, ".mp4"))):
        assert (answer.status_code, answer.json()["code"]) == (409, "no_video")


def test_the_video_is_deleted_with_its_recording_and_not_rendered_again(harness: ResultsHarness) -> None:
    job_id, expiry = harness.done().job_id, SqlErasureStore(harness.database)
    expiry.mark_deleted(RetentionCategory.MEDIA, "ours", job_id)
    for answer in (harness.web().post(at(job_id, "/video")), harness.web().get(at(job_id, ".mp4"))):
        assert (answer.status_code, answer.json()["code"]) == (409, "media_deleted")


def test_the_recording_is_kept_until_the_requested_video_is_rendered(harness: ResultsHarness) -> None:
    job_id, expiry = harness.done().job_id, SqlErasureStore(harness.database)
    harness.web().post(at(job_id, "/video"))
    harness.clock.move(timedelta(days=2))
    assert expiry.expired(RetentionCategory.MEDIA, timedelta(days=1)) == ()
    expiry.mark_deleted(
        RetentionCategory.MEDIA, "ours", job_id
    )  # by a sweep that had listed expired jobs before the request
    assert expiry.expired(RetentionCategory.ARTIFACTS, timedelta(days=1)) == (("ours", job_id),)
    make(harness, job_id)
    assert expiry.expired(RetentionCategory.MEDIA, timedelta(days=1)) == (("ours", job_id),), (
        "afterwards it expires as before"
    )


@pytest.mark.parametrize(
    ("scopes", "status", "code"),
    [
        (FEEL, 403, "insufficient_scope"),
        ({Scope.RECORDINGS_WRITE, Scope.EMOTIONS_READ}, 403, "insufficient_scope"),
        (READ | {Scope.RECORDINGS_WRITE}, 409, "video_not_available"),
    ],
)
def test_a_key_without_the_needed_scopes_cannot_request_a_video(
    harness: ResultsHarness, scopes: set[Scope], status: int, code: str
) -> None:
    job_id = harness.done().job_id
    answer = harness.web(scopes).post(at(job_id, "/video"))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    record = SqlJobStore(harness.database).find("ours", job_id)
    assert record is not None and [stage.name for stage in record.stages] == ["publish"]


def test_an_unfinished_job_has_no_video(harness: ResultsHarness) -> None:
    for job_id, code in ((harness.queued(), "not_ready"), (harness.failed("no_audio"), "no_audio")):
        answer = harness.web().post(at(job_id, "/video"))
        assert (answer.status_code, answer.json()["code"]) == (409, code)
