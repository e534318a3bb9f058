from __future__ import annotations

import threading
from dataclasses import replace
from threading import Event

from services.dispatcher.loop import Dispatcher
from services.dispatcher.stuck_work import StuckWork
from shared.domain.work import StageStatus, Ticket
from shared.infra.heartbeat import Heartbeat
from tests.dispatcher.dispatcher_harness import DispatcherHarness
from tests.service_fakes import MINUTE, ONE_STAGE, held, new_job
from tests.worker.worker_harness import MemoryQueue


def test_the_queue_is_kept_short_and_tenants_take_turns(harness: DispatcherHarness) -> None:
    """However many jobs one tenant has submitted, another tenant's first job is among the next to run."""
    many = [harness.jobs.add("ours", new_job()).id for _ in range(20)]
    one = harness.jobs.add("theirs", new_job()).id
    assert harness.tickets.send_pending() == 4
    waiting = [ticket.job_id for ticket in harness.queue.tickets]
    assert one in waiting
    assert sum(job_id in many for job_id in waiting) < 4
    assert harness.tickets.send_pending() == 0, "the queue is full"


def test_it_continues_after_the_queue_was_unavailable(harness: DispatcherHarness) -> None:
    """During an outage of Redis expired leases are freed and erasures finished; afterwards tickets are sent."""
    stuck = harness.jobs.add("ours", new_job(ONE_STAGE))
    held(harness.work, stuck.id, "publish")
    erased = harness.publish()
    harness.jobs.erase("ours", erased, by="k1", reason="asked")
    harness.clock.move(2 * MINUTE)
    stop, polls, heartbeat = Event(), 0, Heartbeat(harness.folder / "healthy")

    class TemporarilyUnavailable(MemoryQueue):
        def waiting(self, queue: str) -> int:
            nonlocal polls
            polls += 1
            if polls <= 4:
                raise ConnectionError
            return super().waiting(queue)

        def send(self, ticket: Ticket) -> None:
            super().send(ticket)
            assert not (harness.folder / "healthy").exists(), "no heartbeat while Redis is unavailable"
            erasure = harness.jobs.erasure_record("ours", erased)
            assert erasure is not None and erasure.erased_at is not None
            stop.set()

    queue = TemporarilyUnavailable()
    tickets = replace(harness.tickets, queue=queue)
    timer = threading.Timer(20, stop.set)
    timer.start()
    Dispatcher(tickets, StuckWork(tickets), harness.erasure, sweep_seconds=0.1, heartbeat=heartbeat).run(stop)
    timer.cancel()
    assert [ticket.job_id for ticket in queue.tickets] == [stuck.id]
    assert harness.state(stuck.id) is StageStatus.PENDING
    assert (harness.folder / "healthy").exists()
