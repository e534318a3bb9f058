"""What every store of work promises: one holder at a time, nothing lost to a kill, an end for what is poisonous."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from shared.domain.error import LeaseLost, MediaDeleted, StateConflict
from shared.domain.job_record import JobFailure, JobRecord, JobStatus
from shared.domain.retention import RetentionCategory
from shared.domain.stage_plan import AFTER_PUBLISH
from shared.domain.work import CAPTION, MAX_ATTEMPTS, PlannedStage, Refusal, StageStatus, SweepResult
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.retention import SqlRetentionStore
from shared.infra.database.schema import outbox
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from shared.ports.jobs import JobStore, WorkQueue, WorkStore
from tests.service_fakes import MINUTE, ONE_STAGE, MovableClock, held, new_job

LOST = timedelta(hours=1)


@pytest.fixture
def store(database: Database) -> JobStore:
    return SqlJobStore(database)


@pytest.fixture
def work(database: Database) -> WorkStore:
    return SqlWorkStore(database, public_url="https://our.example")


@pytest.fixture
def queue(database: Database) -> WorkQueue:
    return SqlWorkQueue(database)


@pytest.fixture
def job(store: JobStore) -> JobRecord:
    return store.add("ours", new_job(metadata={"meeting": 7}))


def announced(database: Database) -> list[dict[str, object]]:
    with database.reading() as connection:
        return [json.loads(body) for (body,) in connection.execute(select(outbox.c.body))]


def test_a_claim_counts_before_work_and_starts_the_job(
    store: JobStore, work: WorkStore, job: JobRecord, clock: MovableClock
) -> None:
    claim = held(work, job.id, "decode")
    found = store.find("ours", job.id)
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


def test_a_live_lease_is_refused_and_a_dead_one_is_taken_over(
    work: WorkStore, job: JobRecord, clock: MovableClock
) -> None:
    first = held(work, job.id, "decode", "w1")
    assert work.claim(job.id, "decode", "w2", MINUTE) is Refusal.HELD
    clock.move(MINUTE / 2)
    first = work.extend(first, MINUTE, progress=0.5)
    clock.move(MINUTE / 2)
    assert work.claim(job.id, "decode", "w2", MINUTE) is Refusal.HELD, "it was extended"
    clock.move(MINUTE / 2)
    second = held(work, job.id, "decode", "w2")
    assert second.attempt == 2
    for act in (
        lambda: work.extend(first, MINUTE),
        lambda: work.finish_stage(first, seconds=1),
        lambda: work.publish(first, seconds=1),
        lambda: work.fail(first, JobFailure(code="engine_failed", message="It broke.")),
        lambda: work.requeue(first, delay=MINUTE),
        lambda: work.job(first),
    ):
        with pytest.raises(LeaseLost):
            act()
    assert work.finish_stage(second, seconds=1)


def test_what_cannot_be_claimed_says_why(work: WorkStore, job: JobRecord) -> None:
    assert work.claim("0" * 32, "decode", "w1", MINUTE) is Refusal.UNKNOWN
    assert work.claim(job.id, "nonsense", "w1", MINUTE) is Refusal.UNKNOWN
    assert work.claim(job.id, "publish", "w1", MINUTE) is Refusal.NOT_READY
    work.finish_stage(held(work, job.id, "decode"), seconds=1)
    assert work.claim(job.id, "decode", "w1", MINUTE) is Refusal.DONE


def test_a_finished_stage_readies_those_whose_needs_are_met(store: JobStore, work: WorkStore, job: JobRecord) -> None:
    def finish(stage: str) -> list[str]:
        return [ticket.stage for ticket in work.finish_stage(held(work, job.id, stage), seconds=2.5)]

    assert finish("decode") == ["diarize", "transcribe"]
    assert finish("transcribe") == []
    assert finish("diarize") == ["publish"]
    found = store.find("ours", job.id)
    assert found is not None and (found.stages[0].seconds, found.progress) == (2.5, 0.75)


def test_publishing_ends_the_job_and_announces_it_in_one_transaction(
    store: JobStore, work: WorkStore, database: Database, clock: MovableClock
) -> None:
    job = store.add("ours", new_job(ONE_STAGE, metadata={"meeting": 7}))
    claim = held(work, job.id, "publish")
    done = work.publish(claim, seconds=1)
    assert (done.status, done.progress, done.finished_at) == (JobStatus.DONE, 1, clock.now)
    assert [event["data"] for event in announced(database)] == [
        {
            "job_id": job.id,
            "status": "done",
            "metadata": {"meeting": 7},
            "transcript_url": f"https://our.example/v1/transcripts/{job.id}",
        }
    ]
    with pytest.raises(LeaseLost):
        work.publish(claim, seconds=1)
    assert len(announced(database)) == 1
    with pytest.raises(StateConflict, match="done"):
        store.cancel("ours", job.id)


@pytest.mark.parametrize("ended", ["cancelled", "erasing"])
def test_a_job_that_ended_meanwhile_is_not_published(
    store: JobStore, work: WorkStore, database: Database, ended: str
) -> None:
    job = store.add("ours", new_job(ONE_STAGE))
    claim = held(work, job.id, "publish")
    if ended == "cancelled":
        store.cancel("ours", job.id)
    else:
        store.erase("ours", job.id, by="k1", reason="asked")
    with pytest.raises(LeaseLost):
        work.publish(claim, seconds=1)
    assert announced(database) == []


def test_publishing_before_all_is_done_changes_nothing(store: JobStore, work: WorkStore, database: Database) -> None:
    job = store.add("ours", new_job((PlannedStage(name="a"), PlannedStage(name="b"))))
    claim = held(work, job.id, "a")
    with pytest.raises(StateConflict, match="before b"):
        work.publish(claim, seconds=1)
    assert announced(database) == []
    assert work.job(claim).stages[0].status is StageStatus.RUNNING, "the transaction was undone as a whole"


def test_a_failure_ends_the_job_with_its_stage_and_is_announced(
    work: WorkStore, job: JobRecord, database: Database
) -> None:
    record = work.fail(held(work, job.id, "decode"), JobFailure(code="no_audio", message="There is no audio."))
    assert record.error == JobFailure(code="no_audio", message="There is no audio.", stage="decode")
    assert record.stages[0].status is StageStatus.FAILED
    assert [event["type"] for event in announced(database)] == ["job.failed"]


@pytest.mark.parametrize("who", ["next claim", "sweep"])
def test_what_kills_its_worker_three_times_is_poisoned(
    store: JobStore,
    work: WorkStore,
    queue: WorkQueue,
    job: JobRecord,
    clock: MovableClock,
    database: Database,
    who: str,
) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert held(work, job.id, "decode", f"w{attempt}").attempt == attempt
        clock.move(2 * MINUTE)
    if who == "sweep":
        assert queue.sweep(lost_after=LOST) == SweepResult(poisoned=1)
    else:
        assert work.claim(job.id, "decode", "w4", MINUTE) is Refusal.POISONED
    found = store.find("ours", job.id)
    assert found is not None and found.error is not None
    assert (found.status, found.error.code, found.error.stage) == (JobStatus.FAILED, "poisoned", "decode")
    assert [event["type"] for event in announced(database)] == ["job.failed"]
    assert queue.sweep(lost_after=LOST) == SweepResult()
    assert work.claim(job.id, "decode", "w5", MINUTE) is Refusal.JOB_ENDED


def test_a_stage_whose_output_is_lost_runs_again_and_who_needs_it_waits(
    store: JobStore, work: WorkStore, queue: WorkQueue, job: JobRecord
) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        again = held(work, job.id, "decode")
        assert again.attempt == attempt
        work.finish_stage(again, seconds=1)
        claims = [held(work, job.id, name) for name in ("diarize", "transcribe")]
        assert {claim.attempt for claim in claims} == {1}
        if attempt == MAX_ATTEMPTS:
            break
        assert all(work.rerun_needed(claim, "decode") for claim in claims), "both of them have missed it"
        with pytest.raises(LeaseLost):
            work.job(claims[0])
        assert work.claim(job.id, "diarize", "w2", MINUTE) is Refusal.NOT_READY
        assert [ticket.stage for ticket in queue.next_tickets("cpu", max_waiting=9)] == ["decode"]
    found = store.find("ours", job.id)
    assert not work.rerun_needed(claims[0], "decode"), "no stage is tried more often than that"
    assert found == store.find("ours", job.id), "and nothing was changed"
    work.fail(claims[0], JobFailure(code="stored_data_missing", message="It is gone."))
    with pytest.raises(LeaseLost):
        work.rerun_needed(claims[1], "diarize")


def test_what_is_given_back_waits_and_counts_only_if_it_should(
    work: WorkStore, queue: WorkQueue, job: JobRecord, clock: MovableClock
) -> None:
    for _ in range(MAX_ATTEMPTS + 1):  # a full disk never poisons
        claim = held(work, job.id, "decode")
        work.requeue(claim, delay=MINUTE, counted=False)
        assert work.claim(job.id, "decode", "w1", MINUTE) is Refusal.NOT_READY
        assert queue.next_tickets("cpu", max_waiting=1) == ()
        clock.move(MINUTE)
    work.requeue(held(work, job.id, "decode"), delay=MINUTE)
    clock.move(MINUTE)
    assert held(work, job.id, "decode").attempt == 2


def test_the_sweep_frees_dead_leases_and_sends_lost_messages_again(
    work: WorkStore, queue: WorkQueue, job: JobRecord, clock: MovableClock
) -> None:
    assert [ticket.stage for ticket in queue.next_tickets("cpu", max_waiting=5)] == ["decode"]
    assert queue.next_tickets("cpu", max_waiting=5) == (), "it is on its way"
    held(work, job.id, "decode")
    assert queue.sweep(lost_after=LOST) == SweepResult(), "its lease is alive"
    clock.move(MINUTE)
    assert queue.sweep(lost_after=LOST) == SweepResult(freed=1)
    assert queue.sweep(lost_after=LOST) == SweepResult(), "safe to run twice"
    assert [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=5)] == [job.id]
    clock.move(LOST)
    queue.sweep(lost_after=LOST)
    assert [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=5)] == [job.id]


def test_one_tenants_five_hundred_jobs_do_not_delay_anothers_one(
    store: JobStore, work: WorkStore, queue: WorkQueue, clock: MovableClock
) -> None:
    """What is enqueued next goes in turns between tenants, those with the least in flight first."""
    many = []
    for _ in range(60):  # enough to fill the queue many times over
        many.append(store.add("theirs", new_job(ONE_STAGE)).id)
        clock.move(timedelta(seconds=1))
    first = [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=4)]
    assert first == many[:4], "alone, a tenant has it all, oldest first"
    late = [store.add("ours", new_job(ONE_STAGE)).id for _ in range(2)]
    held(work, first[0], "publish")
    held(work, first[1], "publish")
    following = [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=4)]
    assert sorted(following) == sorted(late), "theirs have four in flight, so ours are next"
    assert queue.next_tickets("cpu", max_waiting=4) == (), "the queue stays short, or turns would mean nothing"
    for job_id in (*first[2:], *late):
        held(work, job_id, "publish")
    assert [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=4)] == many[4:8]


def test_each_queue_has_its_own_work(work: WorkStore, queue: WorkQueue, job: JobRecord) -> None:
    assert queue.next_tickets("gpu", max_waiting=5) == ()
    work.finish_stage(held(work, job.id, "decode"), seconds=1)
    assert [ticket.stage for ticket in queue.next_tickets("gpu", max_waiting=5)] == ["transcribe"]
    assert [ticket.stage for ticket in queue.next_tickets("cpu", max_waiting=5)] == ["diarize"]


def test_a_look_says_whether_there_is_something_to_send(
    store: JobStore, work: WorkStore, queue: WorkQueue, clock: MovableClock
) -> None:
    assert not queue.any_ready(("cpu", "gpu"))
    job = store.add("ours", new_job())
    assert queue.any_ready(("cpu", "gpu")) and not queue.any_ready(("gpu",))
    queue.next_tickets("cpu", max_waiting=5)
    assert not queue.any_ready(("cpu", "gpu")), "it is on its way"
    work.requeue(held(work, job.id, "decode"), delay=MINUTE)
    assert not queue.any_ready(("cpu", "gpu")), "it may not run yet"
    clock.move(MINUTE)
    assert queue.any_ready(("cpu", "gpu"))
    store.cancel("ours", job.id)
    assert not queue.any_ready(("cpu", "gpu"))


def test_a_video_that_is_asked_for_after_the_end_is_seen_by_a_look(
    store: JobStore, work: WorkStore, queue: WorkQueue
) -> None:
    job = store.add("ours", new_job(ONE_STAGE))
    work.publish(held(work, job.id, "publish"), seconds=1)
    assert not queue.any_ready(("cpu",))
    store.caption("ours", job.id)
    assert queue.any_ready(("cpu",))


def test_cancelled_work_is_not_enqueued(store: JobStore, queue: WorkQueue, job: JobRecord) -> None:
    store.cancel("ours", job.id)
    assert queue.next_tickets("cpu", max_waiting=5) == ()


def state_of(store: JobStore, job_id: str, stage: str) -> StageStatus:
    found = store.find("ours", job_id)
    assert found is not None
    return next(row.status for row in found.stages if row.name == stage)


@pytest.fixture
def wished(store: JobStore, work: WorkStore) -> JobRecord:
    """A job that is done, and whose video may be made now."""
    job = store.add("ours", new_job((*ONE_STAGE, AFTER_PUBLISH)))
    assert work.claim(job.id, CAPTION, "w1", MINUTE) is Refusal.NOT_READY
    return work.publish(held(work, job.id, "publish"), seconds=1)


def test_what_follows_a_jobs_end_holds_nothing_up_and_is_not_announced(
    store: JobStore, work: WorkStore, queue: WorkQueue, database: Database, wished: JobRecord
) -> None:
    assert (wished.status, wished.progress) == (JobStatus.DONE, 1)
    assert state_of(store, wished.id, CAPTION) is StageStatus.PENDING
    assert [ticket.stage for ticket in queue.next_tickets("cpu", max_waiting=5)] == [CAPTION]
    claim = held(work, wished.id, CAPTION)
    assert work.job(work.extend(claim, MINUTE, progress=0.5)).status is JobStatus.DONE
    assert work.finish_stage(claim, seconds=2) == ()
    assert state_of(store, wished.id, CAPTION) is StageStatus.DONE
    assert work.claim(wished.id, CAPTION, "w1", MINUTE) is Refusal.DONE
    assert [event["type"] for event in announced(database)] == ["transcript.ready"]


@pytest.mark.parametrize("how", ["failed", "poisoned by a sweep", "poisoned by a claim"])
def test_what_follows_a_jobs_end_fails_alone(
    how: str, store: JobStore, work: WorkStore, queue: WorkQueue, database: Database, wished: JobRecord,
    clock: MovableClock,
) -> None:  # fmt: skip
    if how == "failed":
        work.fail(held(work, wished.id, CAPTION), JobFailure(code="decode_failed", message="It broke."))
    else:
        for _ in range(MAX_ATTEMPTS):
            held(work, wished.id, CAPTION)
            clock.move(2 * MINUTE)
        if how == "poisoned by a sweep":
            assert queue.sweep(lost_after=LOST) == SweepResult(poisoned=1)
        else:
            assert work.claim(wished.id, CAPTION, "w1", MINUTE) is Refusal.POISONED
    assert state_of(store, wished.id, CAPTION) is StageStatus.FAILED
    found = store.find("ours", wished.id)
    assert found is not None
    assert (found.status, found.error, found.finished_at) == (JobStatus.DONE, None, wished.finished_at)
    assert [event["type"] for event in announced(database)] == ["transcript.ready"]
    assert work.claim(wished.id, CAPTION, "w1", MINUTE) is Refusal.NOT_READY
    again = store.caption("ours", wished.id)
    assert (again.stages[-1].status, again.stages[-1].attempts) == (StageStatus.PENDING, 0)
    assert work.finish_stage(held(work, wished.id, CAPTION), seconds=1) == ()


def test_a_killed_worker_s_video_is_freed_and_an_erased_jobs_is_stopped(
    store: JobStore, work: WorkStore, queue: WorkQueue, clock: MovableClock, wished: JobRecord
) -> None:
    held(work, wished.id, CAPTION)
    clock.move(2 * MINUTE)
    assert queue.sweep(lost_after=LOST) == SweepResult(freed=1)
    claim = held(work, wished.id, CAPTION)
    store.erase("ours", wished.id, by="k1", reason="asked")
    with pytest.raises(LeaseLost):
        work.job(claim)
    assert queue.pending_erasures() == (), "its holder may still be writing"
    clock.move(2 * MINUTE)
    assert [erasure.id for erasure in queue.pending_erasures()] == [wished.id]


def test_a_video_is_asked_for_once_and_of_jobs_that_are_done_only(
    store: JobStore, work: WorkStore, queue: WorkQueue, database: Database, job: JobRecord
) -> None:
    with pytest.raises(StateConflict, match="queued"):
        store.caption("ours", job.id)
    done = store.add("ours", new_job(ONE_STAGE))
    work.publish(held(work, done.id, "publish"), seconds=1)
    first = store.caption("ours", done.id)
    assert [(row.name, row.status) for row in first.stages][-1] == (CAPTION, StageStatus.PENDING)
    held(work, done.id, CAPTION)
    assert store.caption("ours", done.id).stages[-1].status is StageStatus.RUNNING
    other = store.add("ours", new_job(ONE_STAGE))
    work.publish(held(work, other.id, "publish"), seconds=1)
    SqlRetentionStore(database).mark_deleted(RetentionCategory.MEDIA, "ours", other.id)
    with pytest.raises(MediaDeleted):
        store.caption("ours", other.id)


def test_a_failed_jobs_video_waits_for_it_to_be_run_again(store: JobStore, work: WorkStore) -> None:
    job = store.add("ours", new_job((*ONE_STAGE, AFTER_PUBLISH)))
    work.fail(held(work, job.id, "publish"), JobFailure(code="no_audio", message="There is no audio."))
    assert work.claim(job.id, CAPTION, "w1", MINUTE) is Refusal.JOB_ENDED
    store.retry("ours", job.id)
    assert state_of(store, job.id, CAPTION) is StageStatus.WAITING
