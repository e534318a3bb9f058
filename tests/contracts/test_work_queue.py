"""Contract tests of work queues: which stages are sent next, delays, and the sweep."""

from __future__ import annotations

from datetime import timedelta

from shared.domain.job_record import JobRecord
from shared.domain.work import MAX_ATTEMPTS, Refusal, SweepResult
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import LOST, MINUTE, ONE_STAGE, MovableClock, held, new_job


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
    jobs: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue, clock: MovableClock
) -> None:
    """The tenant with the least work in progress is scheduled next."""
    many = []
    for _ in range(60):  # enough to fill the queue many times over
        many.append(jobs.add("theirs", new_job(ONE_STAGE)).id)
        clock.move(timedelta(seconds=1))
    first = [ticket.job_id for ticket in queue.next_tickets("cpu", max_waiting=4)]
    assert first == many[:4], "a single tenant uses the whole queue, oldest first"
    late = [jobs.add("ours", new_job(ONE_STAGE)).id for _ in range(2)]
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
    jobs: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue, clock: MovableClock
) -> None:
    assert not queue.any_ready(("cpu", "gpu"))
    job = jobs.add("ours", new_job())
    assert queue.any_ready(("cpu", "gpu")) and not queue.any_ready(("gpu",))
    queue.next_tickets("cpu", max_waiting=5)
    assert not queue.any_ready(("cpu", "gpu")), "the message was sent"
    work.requeue(held(work, job.id, "decode"), delay=MINUTE)
    assert not queue.any_ready(("cpu", "gpu")), "the delay has not passed"
    clock.move(MINUTE)
    assert queue.any_ready(("cpu", "gpu"))
    jobs.cancel("ours", job.id)
    assert not queue.any_ready(("cpu", "gpu"))


def test_any_ready_includes_a_video_requested_after_the_job_is_done(
    jobs: SqlJobStore, work: SqlWorkStore, queue: SqlWorkQueue
) -> None:
    job = jobs.add("ours", new_job(ONE_STAGE))
    work.publish(held(work, job.id, "publish"), seconds=1)
    assert not queue.any_ready(("cpu",))
    jobs.caption("ours", job.id)
    assert queue.any_ready(("cpu",))


def test_cancelled_work_is_not_enqueued(jobs: SqlJobStore, queue: SqlWorkQueue, job: JobRecord) -> None:
    jobs.cancel("ours", job.id)
    assert queue.next_tickets("cpu", max_waiting=5) == ()
