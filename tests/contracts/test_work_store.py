"""Contract tests of work stores: exclusive leases, recovery from killed workers, and poisoned stages."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from shared.domain.error import LeaseLost, MediaDeleted, StateConflict
from shared.domain.job_record import JobFailure, JobRecord, JobStatus
from shared.domain.retention import RetentionCategory
from shared.domain.stage_plan import CAPTION
from shared.domain.work import MAX_ATTEMPTS, PlannedStage, Refusal, StageStatus, SweepResult
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.schema import outbox
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import MINUTE, ONE_STAGE, MovableClock, held, new_job

LOST = timedelta(hours=1)


@pytest.fixture
def store(database: Database) -> SqlJobStore:
    return SqlJobStore(database)


@pytest.fixture
def work(database: Database) -> SqlWorkStore:
    return SqlWorkStore(database, public_url="https://our.example")


@pytest.fixture
def queue(database: Database) -> SqlWorkQueue:
    return SqlWorkQueue(database)


@pytest.fixture
def job(store: SqlJobStore) -> JobRecord:
    return store.add("ours", new_job(metadata={"meeting": 7}))


def events(database: Database) -> list[dict[str, object]]:
    with database.reading() as connection:
        return [json.loads(body) for (body,) in connection.execute(select(outbox.c.body))]


def test_claim_counts_an_attempt_and_starts_the_job(
    store: SqlJobStore, work: SqlWorkStore, job: JobRecord, clock: MovableClock
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


def test_finished_stage_makes_its_dependents_ready(store: SqlJobStore, work: SqlWorkStore, job: JobRecord) -> None:
    def finish(stage: str) -> list[str]:
        return [ticket.stage for ticket in work.finish_stage(held(work, job.id, stage), seconds=2.5)]

    assert finish("decode") == ["diarize", "transcribe"]
    assert finish("transcribe") == []
    assert finish("diarize") == ["publish"]
    found = store.find("ours", job.id)
    assert found is not None and (found.stages[0].seconds, found.progress) == (2.5, 0.75)


def test_publishing_finishes_the_job_and_adds_its_event_in_one_transaction(
    store: SqlJobStore, work: SqlWorkStore, database: Database, clock: MovableClock
) -> None:
    job = store.add("ours", new_job(ONE_STAGE, metadata={"meeting": 7}))
    claim = held(work, job.id, "publish")
    done = work.publish(claim, seconds=1)
    assert (done.status, done.progress, done.finished_at) == (JobStatus.DONE, 1, clock.now)
    assert [event["data"] for event in events(database)] == [
        {
            "job_id": job.id,
            "status": "done",
            "metadata": {"meeting": 7},
            "transcript_url": f"https://our.example/v1/transcripts/{job.id}",
        }
    ]
    with pytest.raises(LeaseLost):
        work.publish(claim, seconds=1)
    assert len(events(database)) == 1
    with pytest.raises(StateConflict, match="done"):
        store.cancel("ours", job.id)


@pytest.mark.parametrize("ended", ["cancelled", "erasing"])
def test_cancelled_or_erased_job_is_not_published(
    store: SqlJobStore, work: SqlWorkStore, database: Database, ended: str
) -> None:
    job = store.add("ours", new_job(ONE_STAGE))
    claim = held(work, job.id, "publish")
    if ended == "cancelled":
        store.cancel("ours", job.id)
    else:
        store.erase("ours", job.id, by="k1", reason="requested")
    with pytest.raises(LeaseLost):
        work.publish(claim, seconds=1)
    assert events(database) == []


def test_publishing_before_all_stages_are_done_changes_nothing(
    store: SqlJobStore, work: SqlWorkStore, database: Database
) -> None:
    job = store.add("ours", new_job((PlannedStage(name="a"), PlannedStage(name="b"))))
    claim = held(work, job.id, "a")
    with pytest.raises(StateConflict, match="before b"):
        work.publish(claim, seconds=1)
    assert events(database) == []
    assert work.job(claim).stages[0].status is StageStatus.RUNNING, "the whole transaction was rolled back"


def test_failed_stage_fails_the_job_and_adds_an_event(work: SqlWorkStore, job: JobRecord, database: Database) -> None:
    record = work.fail(held(work, job.id, "decode"), JobFailure(code="no_audio", message="There is no audio."))
    assert record.error == JobFailure(code="no_audio", message="There is no audio.", stage="decode")
    assert record.stages[0].status is StageStatus.FAILED
    assert [event["type"] for event in events(database)] == ["job.failed"]


@pytest.mark.parametrize("trigger", ["next claim", "sweep"])
def test_stage_that_kills_its_worker_three_times_is_poisoned(
    store: SqlJobStore,
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
    found = store.find("ours", job.id)
    assert found is not None and found.error is not None
    assert (found.status, found.error.code, found.error.stage) == (JobStatus.FAILED, "poisoned", "decode")
    assert [event["type"] for event in events(database)] == ["job.failed"]
    assert queue.sweep(lost_after=LOST) == SweepResult()
    assert work.claim(job.id, "decode", "w5", MINUTE) is Refusal.JOB_ENDED


def test_stage_with_lost_output_runs_again_and_its_dependents_wait(
    store: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue, job: JobRecord
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
    found = store.find("ours", job.id)
    assert not work.rerun_needed(claims[0], "decode"), "the attempts are used up"
    assert found == store.find("ours", job.id), "nothing was changed"
    work.fail(claims[0], JobFailure(code="stored_data_missing", message="The artifact is missing."))
    with pytest.raises(LeaseLost):
        work.rerun_needed(claims[1], "diarize")


def test_requeued_stage_waits_and_counts_an_attempt_only_if_requested(
    work: SqlWorkStore, queue: SqlWorkQueue, job: JobRecord, clock: MovableClock
) -> None:
    for _ in range(MAX_ATTEMPTS + 1):  # a full disk must not poison a stage
        claim = held(work, job.id, "decode")
        work.requeue(claim, delay=MINUTE, counted=False)
        assert work.claim(job.id, "decode", "w1", MINUTE) is Refusal.NOT_READY
        assert queue.next_tickets("cpu", max_waiting=1) == ()
        clock.move(MINUTE)
    work.requeue(held(work, job.id, "decode"), delay=MINUTE)
    clock.move(MINUTE)
    assert held(work, job.id, "decode").attempt == 2


def test_sweep_frees_expired_leases_and_resends_lost_messages(
    work: SqlWorkStore, queue: SqlWorkQueue, job: JobRecord, clock: MovableClock
) -> None:
    assert [ticket.stage for ticket in queue.next_tickets("cpu", max_waiting=5)] == ["decode"]
    assert queue.next_tickets("cpu", max_waiting=5) == (), "the message was sent"
    held(work, job.id, "decode")
    assert queue.sweep(lost_after=LOST) == SweepResult(), "the lease is active"
    clock.move(MINUTE)
    assert queue.sweep(lost_after=LOST) == SweepResult(freed=1)
    assert queue.sweep(lost_after=LOST) == SweepResult(), "safe to run twice"
    assert [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=5)] == [job.id]
    clock.move(LOST)
    queue.sweep(lost_after=LOST)
    assert [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=5)] == [job.id]


def test_many_jobs_of_one_tenant_do_not_delay_another_tenant(
    store: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue, clock: MovableClock
) -> None:
    """The tenant with the least work in progress is scheduled next."""
    many = []
    for _ in range(60):  # enough to fill the queue many times over
        many.append(store.add("theirs", new_job(ONE_STAGE)).id)
        clock.move(timedelta(seconds=1))
    first = [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=4)]
    assert first == many[:4], "a single tenant uses the whole queue, oldest first"
    late = [store.add("ours", new_job(ONE_STAGE)).id for _ in range(2)]
    held(work, first[0], "publish")
    held(work, first[1], "publish")
    following = [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=4)]
    assert sorted(following) == sorted(late), "the other tenant has four in progress, so ours are next"
    assert queue.next_tickets("cpu", max_waiting=4) == (), "the queue stays short so that the fair order takes effect"
    for job_id in (*first[2:], *late):
        held(work, job_id, "publish")
    assert [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=4)] == many[4:8]


def test_each_queue_has_its_own_stages(work: SqlWorkStore, queue: SqlWorkQueue, job: JobRecord) -> None:
    assert queue.next_tickets("gpu", max_waiting=5) == ()
    work.finish_stage(held(work, job.id, "decode"), seconds=1)
    assert [ticket.stage for ticket in queue.next_tickets("gpu", max_waiting=5)] == ["transcribe"]
    assert [ticket.stage for ticket in queue.next_tickets("cpu", max_waiting=5)] == ["diarize"]


def test_any_ready_reports_whether_a_stage_can_be_sent(
    store: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue, clock: MovableClock
) -> None:
    assert not queue.any_ready(("cpu", "gpu"))
    job = store.add("ours", new_job())
    assert queue.any_ready(("cpu", "gpu")) and not queue.any_ready(("gpu",))
    queue.next_tickets("cpu", max_waiting=5)
    assert not queue.any_ready(("cpu", "gpu")), "the message was sent"
    work.requeue(held(work, job.id, "decode"), delay=MINUTE)
    assert not queue.any_ready(("cpu", "gpu")), "the delay has not passed"
    clock.move(MINUTE)
    assert queue.any_ready(("cpu", "gpu"))
    store.cancel("ours", job.id)
    assert not queue.any_ready(("cpu", "gpu"))


def test_any_ready_includes_a_video_requested_after_the_job_is_done(
    store: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue
) -> None:
    job = store.add("ours", new_job(ONE_STAGE))
    work.publish(held(work, job.id, "publish"), seconds=1)
    assert not queue.any_ready(("cpu",))
    store.caption("ours", job.id)
    assert queue.any_ready(("cpu",))


def test_cancelled_work_is_not_enqueued(store: SqlJobStore, queue: SqlWorkQueue, job: JobRecord) -> None:
    store.cancel("ours", job.id)
    assert queue.next_tickets("cpu", max_waiting=5) == ()


def state_of(store: SqlJobStore, job_id: str, stage: str) -> StageStatus:
    found = store.find("ours", job_id)
    assert found is not None
    return next(row.status for row in found.stages if row.name == stage)


@pytest.fixture
def done_job(store: SqlJobStore, work: SqlWorkStore) -> JobRecord:
    """A finished job whose video stage is ready."""
    job = store.add("ours", new_job((*ONE_STAGE, CAPTION)))
    assert work.claim(job.id, CAPTION.name, "w1", MINUTE) is Refusal.NOT_READY
    return work.publish(held(work, job.id, "publish"), seconds=1)


def test_video_stage_does_not_block_the_job_and_adds_no_event(
    store: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue, database: Database, done_job: JobRecord
) -> None:
    assert (done_job.status, done_job.progress) == (JobStatus.DONE, 1)
    assert state_of(store, done_job.id, CAPTION.name) is StageStatus.PENDING
    assert [ticket.stage for ticket in queue.next_tickets("cpu", max_waiting=5)] == [CAPTION.name]
    claim = held(work, done_job.id, CAPTION.name)
    assert work.job(work.extend(claim, MINUTE, progress=0.5)).status is JobStatus.DONE
    assert work.finish_stage(claim, seconds=2) == ()
    assert state_of(store, done_job.id, CAPTION.name) is StageStatus.DONE
    assert work.claim(done_job.id, CAPTION.name, "w1", MINUTE) is Refusal.DONE
    assert [event["type"] for event in events(database)] == ["transcript.ready"]


@pytest.mark.parametrize("how", ["failed", "poisoned by a sweep", "poisoned by a claim"])
def test_failed_video_stage_does_not_fail_the_job(
    how: str, store: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue, database: Database, done_job: JobRecord,
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
    assert state_of(store, done_job.id, CAPTION.name) is StageStatus.FAILED
    found = store.find("ours", done_job.id)
    assert found is not None
    assert (found.status, found.error, found.finished_at) == (JobStatus.DONE, None, done_job.finished_at)
    assert [event["type"] for event in events(database)] == ["transcript.ready"]
    assert work.claim(done_job.id, CAPTION.name, "w1", MINUTE) is Refusal.NOT_READY
    again = store.caption("ours", done_job.id)
    assert (again.stages[-1].status, again.stages[-1].attempts) == (StageStatus.PENDING, 0)
    assert work.finish_stage(held(work, done_job.id, CAPTION.name), seconds=1) == ()


def test_video_stage_of_a_killed_worker_is_freed_and_of_an_erased_job_is_stopped(
    store: SqlJobStore,
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
    store.erase("ours", done_job.id, by="k1", reason="requested")
    with pytest.raises(LeaseLost):
        work.job(claim)
    erasures = SqlErasureStore(database)
    assert erasures.pending() == (), "the lease holder may still be writing"
    clock.move(2 * MINUTE)
    assert [erasure.id for erasure in erasures.pending()] == [done_job.id]


def test_video_is_created_once_and_only_for_finished_jobs(
    store: SqlJobStore, work: SqlWorkStore, database: Database, job: JobRecord
) -> None:
    with pytest.raises(StateConflict, match="queued"):
        store.caption("ours", job.id)
    done = store.add("ours", new_job(ONE_STAGE))
    work.publish(held(work, done.id, "publish"), seconds=1)
    first = store.caption("ours", done.id)
    assert [(row.name, row.status) for row in first.stages][-1] == (CAPTION.name, StageStatus.PENDING)
    held(work, done.id, CAPTION.name)
    assert store.caption("ours", done.id).stages[-1].status is StageStatus.RUNNING
    other = store.add("ours", new_job(ONE_STAGE))
    work.publish(held(work, other.id, "publish"), seconds=1)
    SqlErasureStore(database).mark_deleted(RetentionCategory.MEDIA, "ours", other.id)
    with pytest.raises(MediaDeleted):
        store.caption("ours", other.id)


def test_video_of_a_failed_job_waits_for_its_retry(store: SqlJobStore, work: SqlWorkStore) -> None:
    job = store.add("ours", new_job((*ONE_STAGE, CAPTION)))
    work.fail(held(work, job.id, "publish"), JobFailure(code="no_audio", message="There is no audio."))
    assert work.claim(job.id, CAPTION.name, "w1", MINUTE) is Refusal.JOB_ENDED
    store.retry("ours", job.id)
    assert state_of(store, job.id, CAPTION.name) is StageStatus.WAITING
