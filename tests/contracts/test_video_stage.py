"""Contract tests of the video stage, which runs after its job is done."""

from __future__ import annotations

import pytest

from shared.domain.error import LeaseLost, MediaDeleted, StateConflict
from shared.domain.job_record import JobFailure, JobRecord, JobStatus
from shared.domain.retention import RetentionCategory
from shared.domain.stage_plan import CAPTION
from shared.domain.work import MAX_ATTEMPTS, Refusal, StageStatus, SweepResult
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import LOST, MINUTE, ONE_STAGE, MovableClock, held, new_job, outbox_events


def state_of(jobs: SqlJobStore, job_id: str, stage: str) -> StageStatus:
    found = jobs.find("ours", job_id)
    assert found is not None
    return next(row.status for row in found.stages if row.name == stage)


@pytest.fixture
def done_job(jobs: SqlJobStore, work: SqlWorkStore) -> JobRecord:
    """A finished job whose video stage is ready."""
    job = jobs.add("ours", new_job((*ONE_STAGE, CAPTION)))
    assert work.claim(job.id, CAPTION.name, "w1", MINUTE) is Refusal.NOT_READY
    return work.publish(held(work, job.id, "publish"), seconds=1)


def test_video_stage_does_not_block_the_job_and_adds_no_event(
    jobs: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue, database: Database, done_job: JobRecord
) -> None:
    assert (done_job.status, done_job.progress) == (JobStatus.DONE, 1)
    assert state_of(jobs, done_job.id, CAPTION.name) is StageStatus.PENDING
    assert [ticket.stage for ticket in queue.next_tickets("cpu", max_waiting=5)] == [CAPTION.name]
    claim = held(work, done_job.id, CAPTION.name)
    assert work.job(work.extend(claim, MINUTE, progress=0.5)).status is JobStatus.DONE
    assert work.finish_stage(claim, seconds=2) == ()
    assert state_of(jobs, done_job.id, CAPTION.name) is StageStatus.DONE
    assert work.claim(done_job.id, CAPTION.name, "w1", MINUTE) is Refusal.DONE
    assert [event["type"] for event in outbox_events(database)] == ["transcript.ready"]


@pytest.mark.parametrize("how", ["failed", "poisoned by a sweep", "poisoned by a claim"])
def test_failed_video_stage_does_not_fail_the_job(
    how: str, jobs: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue, database: Database, done_job: JobRecord,
    clock: MovableClock,
) -> None:  # fmt: skip
    if how == "failed":
        work.fail(held(work, done_job.id, CAPTION.name), JobFailure(code="decode_failed", message="It broke."))
    else:
        for _ in range(MAX_ATTEMPTS):
            held(work, done_job.id, CAPTION.name)
            clock.move(2 * MINUTE)
        if how == "poisoned by a sweep":
            assert queue.sweep(lost_after=LOST) == SweepResult(poisoned=1)
        else:
            assert work.claim(done_job.id, CAPTION.name, "w1", MINUTE) is Refusal.POISONED
    assert state_of(jobs, done_job.id, CAPTION.name) is StageStatus.FAILED
    found = jobs.find("ours", done_job.id)
    assert found is not None
    assert (found.status, found.error, found.finished_at) == (JobStatus.DONE, None, done_job.finished_at)
    assert [event["type"] for event in outbox_events(database)] == ["transcript.ready"]
    assert work.claim(done_job.id, CAPTION.name, "w1", MINUTE) is Refusal.NOT_READY
    again = jobs.caption("ours", done_job.id)
    assert (again.stages[-1].status, again.stages[-1].attempts) == (StageStatus.PENDING, 0)
    assert work.finish_stage(held(work, done_job.id, CAPTION.name), seconds=1) == ()


def test_video_stage_of_a_killed_worker_is_freed_and_of_an_erased_job_is_stopped(
    jobs: SqlJobStore,
    work: SqlWorkStore,
    queue: SqlWorkQueue,
    clock: MovableClock,
    database: Database,
    done_job: JobRecord,
) -> None:
    held(work, done_job.id, CAPTION.name)
    clock.move(2 * MINUTE)
    assert queue.sweep(lost_after=LOST) == SweepResult(freed=1)
    claim = held(work, done_job.id, CAPTION.name)
    jobs.erase("ours", done_job.id, by="k1", reason="requested")
    with pytest.raises(LeaseLost):
        work.job(claim)
    erasures = SqlErasureStore(database)
    assert erasures.pending() == (), "the lease holder may still be writing"
    clock.move(2 * MINUTE)
    assert [erasure.id for erasure in erasures.pending()] == [done_job.id]


def test_video_is_created_once_and_only_for_finished_jobs(
    jobs: SqlJobStore, work: SqlWorkStore, database: Database, job: JobRecord
) -> None:
    with pytest.raises(StateConflict, match="queued"):
        jobs.caption("ours", job.id)
    done = jobs.add("ours", new_job(ONE_STAGE))
    work.publish(held(work, done.id, "publish"), seconds=1)
    first = jobs.caption("ours", done.id)
    assert [(row.name, row.status) for row in first.stages][-1] == (CAPTION.name, StageStatus.PENDING)
    held(work, done.id, CAPTION.name)
    assert jobs.caption("ours", done.id).stages[-1].status is StageStatus.RUNNING
    other = jobs.add("ours", new_job(ONE_STAGE))
    work.publish(held(work, other.id, "publish"), seconds=1)
    SqlErasureStore(database).mark_deleted(RetentionCategory.MEDIA, "ours", other.id)
    with pytest.raises(MediaDeleted):
        jobs.caption("ours", other.id)


def test_video_of_a_failed_job_waits_for_its_retry(jobs: SqlJobStore, work: SqlWorkStore) -> None:
    job = jobs.add("ours", new_job((*ONE_STAGE, CAPTION)))
    work.fail(held(work, job.id, "publish"), JobFailure(code="no_audio", message="There is no audio."))
    assert work.claim(job.id, CAPTION.name, "w1", MINUTE) is Refusal.JOB_ENDED
    jobs.retry("ours", job.id)
    assert state_of(jobs, job.id, CAPTION.name) is StageStatus.WAITING
