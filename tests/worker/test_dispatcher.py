from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from services.worker.dispatcher import RESEND_AFTER, Dispatcher
from shared.domain.job_blobs import job_folder
from shared.domain.work import Claim, StageStatus, Ticket
from shared.engines.catalog import Setup
from shared.infra.heartbeat import Heartbeat
from tests.worker.worker_harness import TENANT, MemoryQueue, WorkerHarness


@pytest.fixture
def harness(tmp_path: Path, setup: Setup) -> Iterator[WorkerHarness]:
    made = WorkerHarness.at(tmp_path, setup)
    yield made
    made.database.close()


def test_the_queue_is_kept_short_and_tenants_take_turns(harness: WorkerHarness) -> None:
    """However many jobs one tenant has submitted, another tenant's first job is among the next to run."""
    many = [harness.submit() for _ in range(20)]
    one = harness.submit("theirs")
    assert harness.dispatcher.enqueue_pending() == 4
    waiting = [ticket.job_id for ticket in harness.queue.tickets]
    assert one in waiting
    assert sum(job_id in many for job_id in waiting) < 4
    assert harness.dispatcher.enqueue_pending() == 0, "the queue is full"


def test_messages_that_redis_lost_are_sent_again_when_its_queue_is_empty(harness: WorkerHarness) -> None:
    job_id = harness.submit()
    harness.dispatcher.enqueue_pending()
    harness.later(RESEND_AFTER.total_seconds() + 1)
    harness.dispatcher.sweep()
    assert harness.dispatcher.enqueue_pending() == 0, "the message is still in the queue"
    harness.queue.tickets.clear()
    harness.dispatcher.sweep()
    harness.dispatcher.enqueue_pending()
    assert {ticket.job_id for ticket in harness.queue.tickets} == {job_id}


def test_an_erasure_finishes_with_empty_storage_and_an_erasure_record(harness: WorkerHarness) -> None:
    job_id = harness.submit()
    harness.until("transcribe")
    harness.jobs.erase(TENANT, job_id, by="test", reason="requested")
    harness.dispatcher.finish_erasures()
    assert list(harness.blobs.keys(TENANT, job_folder(job_id))) == []
    erasure = harness.jobs.erasure_record(TENANT, job_id)
    assert erasure is not None and erasure.erased_at is not None


def test_it_continues_after_the_queue_was_unavailable(harness: WorkerHarness, tmp_path: Path) -> None:
    """After an outage of Redis unsent messages are sent; expired leases are swept meanwhile."""
    job_id = harness.submit()
    claim = harness.runner.work.claim(job_id, "decode", "w2", timedelta(seconds=1))
    assert isinstance(claim, Claim)
    harness.later(2)
    stop, polls, heartbeat = Event(), 0, Heartbeat(tmp_path / "healthy")

    class TemporarilyUnavailable(MemoryQueue):
        def waiting(self, queue: str) -> int:
            nonlocal polls
            polls += 1
            if polls <= 4:
                raise ConnectionError
            return super().waiting(queue)

        def send(self, ticket: Ticket) -> None:
            super().send(ticket)
            assert not (tmp_path / "healthy").exists(), "no heartbeat while Redis is unavailable"
            if ticket.stage == "decode":
                stop.set()

    queue = TemporarilyUnavailable()
    runs = Dispatcher(
        harness.dispatcher.work, queue, harness.blobs, max_waiting=4, sweep_seconds=0.1, heartbeat=heartbeat
    )
    timer = threading.Timer(20, stop.set)
    timer.start()
    runs.run(stop)
    timer.cancel()
    assert [ticket.stage for ticket in queue.tickets if ticket.stage == "decode"] == ["decode"]
    assert harness.stage(job_id, "decode").status is StageStatus.PENDING
    assert (tmp_path / "healthy").exists()
