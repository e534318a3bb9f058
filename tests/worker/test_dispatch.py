from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from services.worker.dispatch import LOST, Dispatcher
from shared.domain.job_blobs import job_folder
from shared.domain.work import Claim, StageState, Ticket
from shared.engines.catalog import Setup
from shared.infra.heartbeat import Heartbeat
from tests.worker.workshop import TENANT, MemoryQueue, Workshop


@pytest.fixture
def shop(tmp_path: Path, setup: Setup) -> Iterator[Workshop]:
    made = Workshop.at(tmp_path, setup)
    yield made
    made.database.close()


def test_the_queue_is_kept_short_and_tenants_take_turns(shop: Workshop) -> None:
    """However many jobs one tenant has handed in, another's first one is among the next to run."""
    many = [shop.submit() for _ in range(20)]
    one = shop.submit("theirs")
    assert shop.dispatcher.fill() == 4
    waiting = [ticket.job_id for ticket in shop.queue.tickets]
    assert one in waiting
    assert sum(job_id in many for job_id in waiting) < 4
    assert shop.dispatcher.fill() == 0, "it is full"


def test_messages_that_redis_lost_are_sent_again_once_its_queue_is_empty(shop: Workshop) -> None:
    job_id = shop.submit()
    shop.dispatcher.fill()
    shop.later(LOST.total_seconds() + 1)
    shop.dispatcher.sweep()
    assert shop.dispatcher.fill() == 0, "it is still there"
    shop.queue.tickets.clear()
    shop.dispatcher.sweep()
    shop.dispatcher.fill()
    assert {ticket.job_id for ticket in shop.queue.tickets} == {job_id}


def test_an_erasure_ends_with_storage_empty_and_a_tombstone(shop: Workshop) -> None:
    job_id = shop.submit()
    shop.until("transcribe")
    shop.jobs.erase(TENANT, job_id, by="test", reason="asked for")
    shop.dispatcher.erase()
    assert list(shop.blobs.keys(TENANT, job_folder(job_id))) == []
    stone = shop.jobs.tombstone(TENANT, job_id)
    assert stone is not None and stone.erased_at is not None


def test_it_goes_on_when_the_queue_is_away(shop: Workshop, tmp_path: Path) -> None:
    """Redis comes back, and what was not sent is sent; dead leases are swept meanwhile."""
    job_id = shop.submit()
    claim = shop.runner.work.claim(job_id, "decode", "w2", timedelta(seconds=1))
    assert isinstance(claim, Claim)
    shop.later(2)
    stop, looks, heart = Event(), 0, Heartbeat(tmp_path / "healthy")

    class AwayForAWhile(MemoryQueue):
        def waiting(self, queue: str) -> int:
            nonlocal looks
            looks += 1
            if looks <= 4:
                raise ConnectionError
            return super().waiting(queue)

        def send(self, ticket: Ticket) -> None:
            super().send(ticket)
            assert not (tmp_path / "healthy").exists(), "it does not beat while Redis is away"
            if ticket.stage == "decode":
                stop.set()

    queue = AwayForAWhile()
    runs = Dispatcher(shop.dispatcher.work, queue, shop.blobs, most_waiting=4, sweep_seconds=0.1, heart=heart)
    timer = threading.Timer(20, stop.set)
    timer.start()
    runs.run(stop)
    timer.cancel()
    assert [ticket.stage for ticket in queue.tickets if ticket.stage == "decode"] == ["decode"]
    assert shop.stage(job_id, "decode").state is StageState.PENDING
    assert (tmp_path / "healthy").exists()
