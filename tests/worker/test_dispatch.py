from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.worker.dispatch import LOST
from shared.domain.job_blobs import job_folder
from shared.engines.catalog import Setup
from tests.worker.workshop import TENANT, Workshop


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
