"""Workers that are killed at any point: every job ends once and is announced once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from shared.domain.job_record import JobFilter, JobStatus
from shared.infra.database.engine import open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.schema import outbox
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import new_job

WAVE = 4  # jobs submitted before each kill, and after the last one
KILLS = 2  # three on one stage would count as poisoned
TIMEOUT_SECONDS = 240


def start(address: str, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.worker_process", address, name]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    return child


def stop(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


@pytest.mark.slow
def test_killed_workers_lose_no_job_and_finish_none_twice(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'undertone.db'}"
    database = open_database(address)
    store, queue = SqlJobStore(database), SqlWorkQueue(database)
    for tenant in ("ours", "theirs"):
        SqlKeyStore(database).ensure_tenant(tenant)
    jobs: list[str] = []

    def submit() -> None:
        jobs.extend(store.add(("ours", "theirs")[number % 2], new_job()).id for number in range(WAVE))

    def done() -> int:
        only = JobFilter(statuses=frozenset({JobStatus.DONE}))
        return sum(len(store.list(tenant, only=only).items) for tenant in ("ours", "theirs"))

    def wait_until(many: int) -> None:
        until = time.monotonic() + TIMEOUT_SECONDS
        while done() < many:
            assert time.monotonic() < until, "the jobs make no progress"
            queue.sweep(lost_after=timedelta(seconds=3))
            time.sleep(0.05)

    workers = [start(address, f"w{number}") for number in range(2)]
    try:
        for kill in range(KILLS):
            submit()
            wait_until(len(jobs) - WAVE + 1)  # the wave is in progress: kill this worker at any point
            stop(workers.pop(0))
            workers.append(start(address, f"w{kill + 2}"))
        submit()
        wait_until(len(jobs))
    finally:
        for worker in workers:
            stop(worker)
    with database.reading() as connection:
        announced = Counter(connection.execute(select(outbox.c.job_id)).scalars())
    assert announced == Counter(jobs)
    database.close()
