"""The captioned video: asked for, being made, served in parts, and gone with its recording."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from shared.domain.job_blobs import captioned_key
from shared.domain.job_record import JobFailure, JobStatus
from shared.domain.retention import Kept
from shared.domain.tenant import Scope
from shared.domain.work import CAPTION, StageState, Ticket
from shared.infra.database.expiry import SqlExpiry
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.requests import SqlAuditTrail
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.exports.sample import transcript
from tests.results.conftest import FEEL, READ, House
from tests.results.test_views import at
from tests.service_twins import held

VIDEO = bytes(range(256)) * 20


def make(house: House, job_id: str) -> None:
    """What the worker does."""
    work = SqlWorkStore(house.database)
    claim = held(work, job_id, CAPTION)
    house.blobs.put("ours", captioned_key(job_id), [VIDEO])
    work.finish_stage(claim, seconds=1)


def state(house: House, job_id: str) -> StageState:
    record = SqlJobStore(house.database).find("ours", job_id)
    assert record is not None and record.status is JobStatus.DONE and record.progress == 1
    return next(stage.state for stage in record.stages if stage.name == CAPTION)


def test_it_is_served_where_it_is_and_shows_what_is_asked_for(house: House) -> None:
    made = house.done()
    web, path = house.web(), at(made.job_id, ".mp4")
    house.blobs.put("ours", captioned_key(made.job_id), [VIDEO])
    answer = web.get(path)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, VIDEO, "video/mp4")
    assert answer.headers["etag"] == f'"{hashlib.sha256(VIDEO).hexdigest()[:32]}"'
    assert answer.headers["content-disposition"].startswith('attachment; filename="stand up.captioned.mp4"')
    assert web.get(path, headers={"Range": "bytes=256-300"}).content == VIDEO[256:301]
    assert web.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    for without in (web.get(path, params={"emotion": False}), house.web(READ).get(path)):
        assert (without.status_code, without.json()["code"]) == (409, "video_not_made")
        assert "--no-emotion" in without.json()["mend"]
    web.patch(at(made.job_id, "/speakers/S1"), json={"name": "Anna"})
    assert "original=true" in web.get(path).json()["mend"]
    assert web.get(path, params={"original": True}).content == VIDEO


def test_it_is_made_when_somebody_asks_and_only_once(house: House) -> None:
    job_id = house.done().job_id
    web, path, ask = house.web(), at(job_id, ".mp4"), at(job_id, "/video")
    missing = web.get(path)
    assert (missing.status_code, missing.json()["code"]) == (409, "video_not_made")
    assert f"POST {ask}" in missing.json()["mend"]
    for _ in range(2):
        answer = web.post(ask)
        assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/jobs/{job_id}")
        assert answer.json() == {"status": "pending", "job_url": f"/v1/jobs/{job_id}", "video_url": path}
    queue = SqlWorkQueue(house.database)
    assert queue.next_tickets("cpu", most_waiting=9) == (Ticket(job_id=job_id, stage=CAPTION),)
    coming = web.get(path)
    assert (coming.status_code, coming.json()["code"]) == (409, "video_not_made")
    assert "being made" in coming.json()["detail"] and f"/v1/jobs/{job_id}" in coming.json()["mend"]
    make(house, job_id)
    assert web.get(path).content == VIDEO
    assert web.post(ask).json()["status"] == "done"
    assert queue.next_tickets("cpu", most_waiting=9) == ()
    actions = [line.action for line in SqlAuditTrail(house.database).list("ours").items]
    assert actions.count("video_wished") == 3


def test_what_failed_is_said_and_tried_again_and_the_job_is_done_all_the_same(house: House) -> None:
    job_id, work = house.done().job_id, SqlWorkStore(house.database)
    web = house.web()
    web.post(at(job_id, "/video"))
    work.fail(held(work, job_id, CAPTION), JobFailure(code="decode_failed", message="It broke.", stage=CAPTION))
    assert state(house, job_id) is StageState.FAILED
    assert "tries it again" in web.get(at(job_id, ".mp4")).json()["mend"]
    assert web.post(at(job_id, "/video")).json()["status"] == "pending"
    make(house, job_id)
    assert web.get(at(job_id, ".mp4")).status_code == 200


def test_without_a_picture_there_is_nothing_to_make(house: House) -> None:
    given = transcript()
    heard = given.model_copy(update={"recording": given.recording.model_copy(update={"has_video": False})})
    job_id = house.done(given=heard).job_id
    for answer in (house.web().post(at(job_id, "/video")), house.web().get(at(job_id, ".mp4"))):
        assert (answer.status_code, answer.json()["code"]) == (409, "no_video")


def test_the_video_goes_with_its_recording_and_no_other_is_made(house: House) -> None:
    job_id, expiry = house.done().job_id, SqlExpiry(house.database)
    expiry.gone(Kept.MEDIA, "ours", job_id)
    for answer in (house.web().post(at(job_id, "/video")), house.web().get(at(job_id, ".mp4"))):
        assert (answer.status_code, answer.json()["code"]) == (409, "media_gone")


def test_the_recording_is_kept_until_the_video_that_is_wished_for_is_made(house: House) -> None:
    job_id, expiry = house.done().job_id, SqlExpiry(house.database)
    house.web().post(at(job_id, "/video"))
    house.clock.move(timedelta(days=2))
    assert expiry.due(Kept.MEDIA, timedelta(days=1)) == ()
    expiry.gone(Kept.MEDIA, "ours", job_id)  # by a sweep that had looked before the wish
    assert expiry.due(Kept.ARTIFACTS, timedelta(days=1)) == (("ours", job_id),)
    make(house, job_id)
    assert expiry.due(Kept.MEDIA, timedelta(days=1)) == (("ours", job_id),), "and then it is due as before"


@pytest.mark.parametrize(
    ("scopes", "status", "code"),
    [
        (FEEL, 403, "scope_missing"),
        ({Scope.RECORDINGS_WRITE, Scope.EMOTIONS_READ}, 403, "scope_missing"),
        (READ | {Scope.RECORDINGS_WRITE}, 409, "video_not_made"),
    ],
)
def test_whoever_may_not_see_readings_or_order_work_has_none_made(
    house: House, scopes: set[Scope], status: int, code: str
) -> None:
    job_id = house.done().job_id
    answer = house.web(scopes).post(at(job_id, "/video"))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    record = SqlJobStore(house.database).find("ours", job_id)
    assert record is not None and [stage.name for stage in record.stages] == ["publish"]


def test_of_a_job_that_is_not_done_there_is_nothing_to_make(house: House) -> None:
    for job_id, code in ((house.queued(), "not_ready"), (house.failed("no_audio"), "no_audio")):
        answer = house.web().post(at(job_id, "/video"))
        assert (answer.status_code, answer.json()["code"]) == (409, code)
