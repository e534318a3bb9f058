"""Tests of concurrent database operations in threads and processes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import func, select

from shared.domain.error import LeaseLost, StateConflict
from shared.domain.job_record import JobStatus
from shared.domain.work import Claim, Refusal
from shared.infra.database.columns import metadata
from shared.infra.database.engine import Database, open_database, unpooled_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.schema import outbox
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import MINUTE, ONE_STAGE, held, new_job

T = TypeVar("T")
THREADS = 6


def run_concurrently(*functions: Callable[[], T]) -> list[T]:
    """Runs all functions in threads that start at the same time."""
    barrier = Barrier(len(functions))

    def run(function: Callable[[], T]) -> T:
        barrier.wait()
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(run, function) for function in functions]]


def claim_in_process(address: str, job_ids: list[str], worker: str, start: float) -> list[str]:
    """Claims all jobs, in a separate process, and returns the ids of the claimed jobs."""
    work = SqlWorkStore(open_database(address))
    time.sleep(max(0.0, start - time.time()))
    return [
        job_id for job_id in job_ids if isinstance(work.claim(job_id, "publish", worker, timedelta(hours=1)), Claim)
    ]


def test_only_one_process_claims_a_stage(address: str, database: Database) -> None:
    store = SqlJobStore(database)
    job_ids = [store.add("ours", new_job(ONE_STAGE)).id for _ in range(20)]
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        start = time.time() + 3
        futures = [pool.submit(claim_in_process, address, job_ids, f"w{n}", start) for n in range(3)]
        won = [job_id for future in futures for job_id in future.result()]
    assert sorted(won) == sorted(job_ids)
    assert all(row.attempts == 1 for record in store.list("ours").items for row in record.stages)


def test_only_one_thread_claims_a_stage(database: Database) -> None:
    store, work = SqlJobStore(database), SqlWorkStore(database)
    for _ in range(5):
        job = store.add("ours", new_job(ONE_STAGE))
        found = run_concurrently(
            *[lambda n=n, job=job: work.claim(job.id, "publish", f"w{n}", MINUTE) for n in range(THREADS)]
        )
        assert sorted(isinstance(claim, Claim) for claim in found) == [False] * (THREADS - 1) + [True]
        assert found.count(Refusal.HELD) == THREADS - 1


def test_stages_that_finish_concurrently_make_their_dependent_ready_once(database: Database) -> None:
    """Each stage must see that the other is done, or the job would never continue."""
    store, work = SqlJobStore(database), SqlWorkStore(database)
    for _ in range(8):
        job = store.add("ours", new_job())
        work.finish_stage(held(work, job.id, "decode"), seconds=1)
        claims = [held(work, job.id, name, name) for name in ("diarize", "transcribe")]
        ready = run_concurrently(*[lambda claim=claim: work.finish_stage(claim, seconds=1) for claim in claims])
        assert [ticket.stage for tickets in ready for ticket in tickets] == ["publish"]


def test_concurrent_publish_and_cancel_have_one_winner_and_the_outbox_agrees(database: Database) -> None:
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

        published, cancelled = run_concurrently(publish, cancel)
        assert published is not cancelled
        found = store.find("ours", job.id)
        assert found is not None and found.status is (JobStatus.DONE if published else JobStatus.CANCELLED)
        done += published
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(outbox)).scalar_one() == done


def test_concurrent_dispatchers_send_each_ticket_once_and_respect_the_limit(database: Database) -> None:
    store, queue = SqlJobStore(database), SqlWorkQueue(database)
    for _ in range(12):
        store.add("ours", new_job(ONE_STAGE))
    sent = run_concurrently(*[lambda: queue.next_tickets("cpu", max_waiting=8)] * THREADS)
    tickets = [ticket.job_id for batch in sent for ticket in batch]
    assert len(tickets) == len(set(tickets)) == 8


def test_concurrent_sweeps_free_a_stage_once(database: Database) -> None:
    store, work, queue = SqlJobStore(database), SqlWorkStore(database), SqlWorkQueue(database)
    job = store.add("ours", new_job())
    held(work, job.id, "decode", lease=timedelta(0))
    swept = run_concurrently(*[lambda: queue.sweep(lost_after=MINUTE)] * THREADS)
    assert sum(one.freed for one in swept) == 1


def test_concurrent_opening_of_an_empty_database_migrates_it_once(address: str) -> None:
    def opened() -> int:
        database = open_database(address)
        with database.reading() as connection:
            count = len([connection.execute(table.select()).all() for table in metadata.sorted_tables])
        database.close()
        return count

    assert run_concurrently(*[opened] * 4) == [len(metadata.sorted_tables)] * 4


def test_concurrent_connections_to_a_new_file_wait_for_each_other(tmp_path: Path) -> None:
    """Without waiting, about one of twelve files had a connection that failed."""
    for number in range(100):

        def opened(path: Path = tmp_path / str(number)) -> str:
            with closing(unpooled_database(f"sqlite:///{path}")) as database, database.writing() as connection:
                return str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one())

        assert run_concurrently(*[opened] * 4) == ["wal"] * 4


def test_concurrent_ensure_tenant_creates_one_tenant(database: Database) -> None:
    keys = SqlKeyStore(database)
    made = run_concurrently(*[lambda: keys.ensure_tenant("new")] * THREADS)
    assert len(set(made)) == 1


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_reader_does_not_wait_for_a_writer(database: Database) -> None:
    """The write-ahead log allows reads while a write transaction is open."""
    store = SqlJobStore(database)
    with database.writing():
        assert store.list("ours").items == ()
