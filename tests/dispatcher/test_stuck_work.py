from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.dispatcher.stuck_work import RESEND_AFTER, StuckWork
from shared.domain.job_record import JobStatus
from shared.domain.work import MAX_ATTEMPTS, StageStatus
from tests.dispatcher.dispatcher_harness import DispatcherHarness
from tests.service_fakes import MINUTE, ONE_STAGE, held, new_job
from tests.worker.worker_harness import MemoryQueue

SECOND = timedelta(seconds=1)


def test_a_lost_message_is_sent_again_although_others_wait(harness: DispatcherHarness) -> None:
    lost, waiting = (harness.jobs.add("ours", new_job(ONE_STAGE)).id for _ in range(2))
    assert harness.tickets.send_pending() == 2
    harness.clock.move(RESEND_AFTER + SECOND)
    harness.stuck_work.free()
    assert harness.tickets.send_pending() == 0, "both messages are still in the queue"
    harness.queue.tickets = [ticket for ticket in harness.queue.tickets if ticket.job_id == waiting]
    harness.stuck_work.free()
    assert harness.tickets.send_pending() == 1
    assert [ticket.job_id for ticket in harness.queue.tickets] == [waiting, lost]


def test_an_expired_lease_is_freed_while_redis_is_unavailable(
    harness: DispatcherHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    class UnavailableQueue(MemoryQueue):
        def waiting_tickets(self, queue: str) -> set[tuple[str, str]]:
            raise ConnectionError

    job = harness.jobs.add("ours", new_job(ONE_STAGE))
    held(harness.work, job.id, "publish")
    harness.clock.move(2 * MINUTE)
    StuckWork(replace(harness.tickets, queue=UnavailableQueue())).free()
    assert harness.state(job.id) is StageStatus.PENDING
    said = capsys.readouterr().out
    assert "dispatcher.queue_unreachable" in said and "dispatcher.leases_freed" in said


def test_a_job_that_ends_its_worker_repeatedly_fails_as_poisoned(harness: DispatcherHarness) -> None:
    job = harness.jobs.add("ours", new_job(ONE_STAGE))
    for _ in range(MAX_ATTEMPTS):
        held(harness.work, job.id, "publish")
        harness.clock.move(2 * MINUTE)
        harness.stuck_work.free()
    record = harness.jobs.find("ours", job.id)
    assert record is not None and record.error is not None
    assert (record.status, record.error.code) == (JobStatus.FAILED, "poisoned")
