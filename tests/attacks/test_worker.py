"""A stage that never returns to Python costs its own worker process, and no other tenant's request."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

from shared.domain.work import StageStatus
from shared.infra.database.engine import open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import ONE_STAGE, new_job
from tests.stores import Stores

ANSWER_SECONDS = 1.0
START_SECONDS = 120.0  # on a busy machine


def test_a_stage_that_keeps_the_interpreter_lock_is_killed_and_locks_no_database(stores: Stores) -> None:
    database = open_database(stores.database_url)
    jobs = SqlJobStore(database)
    for tenant in ("ours", "theirs"):
        SqlKeyStore(database).ensure_tenant(tenant)
    job_id = jobs.add("ours", new_job(ONE_STAGE)).id
    command = [sys.executable, "-m", "tests.attacks.interpreter_lock_holder", stores.database_url, job_id]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert worker.stdout is not None and worker.stdout.readline() == "holding\n"
        waits = []
        for _ in range(5):
            began = time.monotonic()
            jobs.add("theirs", new_job(ONE_STAGE))
            waits.append(time.monotonic() - began)
            time.sleep(0.1)
        assert worker.poll() is None, "they were answered while the stage kept the lock"
        assert median(waits) < ANSWER_SECONDS
        assert worker.wait(START_SECONDS) == -signal.SIGALRM
    finally:
        worker.kill()
        worker.communicate()
    SqlWorkQueue(database).sweep(lost_after=timedelta(minutes=1))
    record = jobs.find("ours", job_id)
    assert record is not None and record.stages[0].status is StageStatus.PENDING
    database.close()
