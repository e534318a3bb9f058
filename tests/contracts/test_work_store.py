"""Contract tests of work stores: exclusive leases, results, and poisoned stages."""

from __future__ import annotations

import pytest

from shared.domain.error import LeaseLost, StateConflict
from shared.domain.job_record import JobFailure, JobRecord, JobStatus
from shared.domain.work import MAX_ATTEMPTS, PlannedStage, Refusal, StageStatus, SweepResult
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import LOST, MINUTE, ONE_STAGE, MovableClock, held, new_job, outbox_events


def test_claim_counts_an_attempt_and_starts_the_job(
    jobs: SqlJobStore, work: SqlWorkStore, job: JobRecord, clock: MovableClock
) -> None:
    claim = held(work, job.id, "decode")
    found = jobs.find("ours", job.id)
    assert found is not None
    assert (found.status, found.started_at) == (JobStatus.RUNNING, clock.now)
    row = found.stages[0]
    assert (row.status, row.attempts, row.worker, row.lease_until) == (
        StageStatus.RUNNING,
        1,
        "w1",
        clock.now + MINUTE,
    )
    assert (claim.tenant, claim.attempt) == ("ours", 1)
    assert work.job(claim) == found


def test_active_lease_is_refused_and_expired_lease_is_taken_over(
    work: SqlWorkStore, job: JobRecord, clock: MovableClock
) -> None:
    first = held(work, job.id, "decode", "w1")
    assert work.claim(job.id, "decode", "w2", MINUTE) is Refusal.HELD
    clock.move(MINUTE / 2)
    first = work.extend(first, MINUTE, progress=0.5)
    clock.move(MINUTE / 2)
    assert work.claim(job.id, "decode", "w2", MINUTE) is Refusal.HELD, "the lease was extended"
    clock.move(MINUTE / 2)
    second = held(work, job.id, "decode", "w2")
    assert second.attempt == 2
    for action in (
        lambda: work.extend(first, MINUTE),
        lambda: work.finish_stage(first, seconds=1),
        lambda: work.publish(first, seconds=1),
        lambda: work.fail(first, JobFailure(code="engine_failed", message="It broke.")),
        lambda: work.requeue(first, delay=MINUTE),
        lambda: work.job(first),
    ):
        with pytest.raises(LeaseLost):
            action()
    assert work.finish_stage(second, seconds=1)


def test_refused_claim_returns_the_reason(work: SqlWorkStore, job: JobRecord) -> None:
    assert work.claim("0" * 32, "decode", "w1", MINUTE) is Refusal.UNKNOWN
    assert work.claim(job.id, "nonsense", "w1", MINUTE) is Refusal.UNKNOWN
    assert work.claim(job.id, "publish", "w1", MINUTE) is Refusal.NOT_READY
    work.finish_stage(held(work, job.id, "decode"), seconds=1)
    assert work.claim(job.id, "decode", "w1", MINUTE) is Refusal.DONE


def test_finished_stage_makes_its_dependents_ready(jobs: SqlJobStore, work: SqlWorkStore, job: JobRecord) -> None:
    def finish(stage: str) -> list[str]:
        return [ticket.stage for ticket in work.finish_stage(held(work, job.id, stage), seconds=2.5)]

    assert finish("decode") == ["diarize", "transcribe"]
    assert finish("transcribe") == []
    assert finish("diarize") == ["publish"]
    found = jobs.find("ours", job.id)
    assert found is not None and (found.stages[0].seconds, found.progress) == (2.5, 0.75)


def test_publishing_finishes_the_job_and_adds_its_event_in_one_transaction(
    jobs: SqlJobStore, work: SqlWorkStore, database: Database, clock: MovableClock
) -> None:
    job = jobs.add("ours", new_job(ONE_STAGE, metadata={"meeting": 7}))
    claim = held(work, job.id, "publish")
    done = work.publish(claim, seconds=1)
    assert (done.status, done.progress, done.finished_at) == (JobStatus.DONE, 1, clock.now)
    assert [event["data"] for event in outbox_events(database)] == [
        {
            "job_id": job.id,
            "status": "done",
            "metadata": {"meeting": 7},
            "transcript_url": f"https://our.example/v1/transcripts/{job.id}",
        }
    ]
    with pytest.raises(LeaseLost):
        work.publish(claim, seconds=1)
    assert len(outbox_events(database)) == 1
    with pytest.raises(StateConflict, match="done"):
        jobs.cancel("ours", job.id)


@pytest.mark.parametrize("ended", ["cancelled", "erasing"])
def test_cancelled_or_erased_job_is_not_published(
    jobs: SqlJobStore, work: SqlWorkStore, database: Database, ended: str
) -> None:
    job = jobs.add("ours", new_job(ONE_STAGE))
    claim = held(work, job.id, "publish")
    if ended == "cancelled":
        jobs.cancel("ours", job.id)
    else:
        jobs.erase("ours", job.id, by="k1", reason="requested")
    with pytest.raises(LeaseLost):
        work.publish(claim, seconds=1)
    assert outbox_events(database) == []


def test_publishing_before_all_stages_are_done_changes_nothing(
    jobs: SqlJobStore, work: SqlWorkStore, database: Database
) -> None:
    job = jobs.add("ours", new_job((PlannedStage(name="a"), PlannedStage(name="b"))))
    claim = held(work, job.id, "a")
    with pytest.raises(StateConflict, match="before b"):
        work.publish(claim, seconds=1)
    assert outbox_events(database) == []
    assert work.job(claim).stages[0].status is StageStatus.RUNNING, "the whole transaction was rolled back"


def test_failed_stage_fails_the_job_and_adds_an_event(work: SqlWorkStore, job: JobRecord, database: Database) -> None:
    record = work.fail(held(work, job.id, "decode"), JobFailure(code="no_audio", message="There is no audio."))
    assert record.error == JobFailure(code="no_audio", message="There is no audio.", stage="decode")
    assert record.stages[0].status is StageStatus.FAILED
    assert [event["type"] for event in outbox_events(database)] == ["job.failed"]


@pytest.mark.parametrize("trigger", ["next claim", "sweep"])
def test_stage_that_kills_its_worker_three_times_is_poisoned(
    jobs: SqlJobStore,
    work: SqlWorkStore,
    queue: SqlWorkQueue,
    job: JobRecord,
    clock: MovableClock,
    database: Database,
    trigger: str,
) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert held(work, job.id, "decode", f"w{attempt}").attempt == attempt
        clock.move(2 * MINUTE)
    if trigger == "sweep":
        assert queue.sweep(lost_after=LOST) == SweepResult(poisoned=1)
    else:
        assert work.claim(job.id, "decode", "w4", MINUTE) is Refusal.POISONED
    found = jobs.find("ours", job.id)
    assert found is not None and found.error is not None
    assert (found.status, found.error.code, found.error.stage) == (JobStatus.FAILED, "poisoned", "decode")
    assert [event["type"] for event in outbox_events(database)] == ["job.failed"]
    assert queue.sweep(lost_after=LOST) == SweepResult()
    assert work.claim(job.id, "decode", "w5", MINUTE) is Refusal.JOB_ENDED


def test_stage_with_lost_output_runs_again_and_its_dependents_wait(
    jobs: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue, job: JobRecord
) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        again = held(work, job.id, "decode")
        assert again.attempt == attempt
        work.finish_stage(again, seconds=1)
        claims = [held(work, job.id, name) for name in ("diarize", "transcribe")]
        assert {claim.attempt for claim in claims} == {1}
        if attempt == MAX_ATTEMPTS:
            break
        assert all(work.rerun_needed(claim, "decode") for claim in claims), "both dependents can request the rerun"
        with pytest.raises(LeaseLost):
            work.job(claims[0])
        assert work.claim(job.id, "diarize", "w2", MINUTE) is Refusal.NOT_READY
        assert [ticket.stage for ticket in queue.next_tickets("cpu", max_waiting=9)] == ["decode"]
    found = jobs.find("ours", job.id)
    assert not work.rerun_needed(claims[0], "decode"), "the attempts are used up"
    assert found == jobs.find("ours", job.id), "nothing was changed"
    work.fail(claims[0], JobFailure(code="stored_data_missing", message="The artifact is missing."))
    with pytest.raises(LeaseLost):
        work.rerun_needed(claims[1], "diarize")
