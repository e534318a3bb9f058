"""What holds when several do the same thing at once, in threads and in processes of their own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import func, select

from shared.domain.error import LeaseLost, StateConflict
from shared.domain.job_record import JobStatus
from shared.domain.work import Claim, Refusal
from shared.infra.database.engine import Database, open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.schema import metadata, outbox
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import MINUTE, ONE_STAGE, held, new_job

T = TypeVar("T")
TOGETHER = 6


def at_once(*acts: Callable[[], T]) -> list[T]:
    """Run all of them as nearly at the same time as threads can."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], T]) -> T:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(run, act) for act in acts]]


def claim_from_afar(address: str, job_ids: list[str], worker: str, start: float) -> list[str]:
    """In a process of its own: claim what there is, and say what was won."""
    work = SqlWorkStore(open_database(address))
    time.sleep(max(0.0, start - time.time()))
    return [
        job_id for job_id in job_ids if isinstance(work.claim(job_id, "publish", worker, timedelta(hours=1)), Claim)
    ]


def test_of_processes_that_claim_the_same_exactly_one_wins(address: str, database: Database) -> None:
    store = SqlJobStore(database)
    job_ids = [store.add("ours", new_job(ONE_STAGE)).id for _ in range(20)]
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        start = time.time() + 3
        futures = [pool.submit(claim_from_afar, address, job_ids, f"w{n}", start) for n in range(3)]
        won = [job_id for future in futures for job_id in future.result()]
    assert sorted(won) == sorted(job_ids)
    assert all(row.attempts == 1 for record in store.list("ours").items for row in record.stages)


def test_of_threads_that_claim_the_same_exactly_one_wins(database: Database) -> None:
    store, work = SqlJobStore(database), SqlWorkStore(database)
    for _ in range(5):
        job = store.add("ours", new_job(ONE_STAGE))
        found = at_once(*[lambda n=n, job=job: work.claim(job.id, "publish", f"w{n}", MINUTE) for n in range(TOGETHER)])
        assert sorted(isinstance(claim, Claim) for claim in found) == [False] * (TOGETHER - 1) + [True]
        assert found.count(Refusal.HELD) == TOGETHER - 1


def test_two_stages_that_end_at_once_ready_the_third_exactly_once(database: Database) -> None:
    """Neither may miss that the other is done, or the job would stand still for ever."""
    store, work = SqlJobStore(database), SqlWorkStore(database)
    for _ in range(8):
        job = store.add("ours", new_job())
        work.finish_stage(held(work, job.id, "decode"), seconds=1)
        claims = [held(work, job.id, name, name) for name in ("diarize", "transcribe")]
        ready = at_once(*[lambda claim=claim: work.finish_stage(claim, seconds=1) for claim in claims])
        assert [ticket.stage for tickets in ready for ticket in tickets] == ["publish"]


def test_of_a_publication_and_a_cancellation_one_wins_and_the_outbox_agrees(database: Database) -> None:
    store, work = SqlJobStore(database), SqlWorkStore(database)
    done = 0
    for _ in range(8):
        job = store.add("ours", new_job(ONE_STAGE))
        claim = held(work, job.id, "publish")

        def publish(claim: Claim = claim) -> bool:
            try:
                work.publish(claim, seconds=1)
            except LeaseLost:
                return False
            return True

        def cancel(job_id: str = job.id) -> bool:
            try:
                store.cancel("ours", job_id)
            except StateConflict:
                return False
            return True

        published, cancelled = at_once(publish, cancel)
        assert published is not cancelled
        found = store.find("ours", job.id)
        assert found is not None and found.status is (JobStatus.DONE if published else JobStatus.CANCELLED)
        done += published
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(outbox)).scalar_one() == done


def test_dispatchers_at_once_send_nothing_twice_and_keep_the_queue_short(database: Database) -> None:
    store, queue = SqlJobStore(database), SqlWorkQueue(database)
    for _ in range(12):
        store.add("ours", new_job(ONE_STAGE))
    sent = at_once(*[lambda: queue.next_tickets("cpu", max_waiting=8)] * TOGETHER)
    tickets = [ticket.job_id for batch in sent for ticket in batch]
    assert len(tickets) == len(set(tickets)) == 8


def test_sweepers_at_once_free_a_stage_once(database: Database) -> None:
    store, work, queue = SqlJobStore(database), SqlWorkStore(database), SqlWorkQueue(database)
    job = store.add("ours", new_job())
    held(work, job.id, "decode", lease=timedelta(0))
    swept = at_once(*[lambda: queue.sweep(lost_after=MINUTE)] * TOGETHER)
    assert sum(one.freed for one in swept) == 1


def test_several_that_open_an_empty_database_at_once_take_turns(address: str) -> None:
    def opened() -> int:
        database = open_database(address)
        with database.reading() as connection:
            count = len([connection.execute(table.select()).all() for table in metadata.sorted_tables])
        database.close()
        return count

    assert at_once(*[opened] * 4) == [len(metadata.sorted_tables)] * 4


def test_a_tenant_is_made_once(database: Database) -> None:
    keys = SqlKeyStore(database)
    made = at_once(*[lambda: keys.ensure_tenant("new")] * TOGETHER)
    assert len(set(made)) == 1


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    """The write-ahead log is on: a page is read while a transaction is open."""
    store = SqlJobStore(database)
    with database.writing():
        assert store.list("ours").items == ()
