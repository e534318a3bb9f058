"""A worker process whose stage keeps the interpreter lock in native code, to be ended from outside."""

from __future__ import annotations

import ctypes
import sys
import time
from datetime import timedelta

from services.worker import lease_keeper
from shared.infra.database.engine import open_database
from shared.infra.database.work import SqlWorkStore
from tests.service_fakes import held

LEASE = timedelta(seconds=0.03)  # the lease thread writes in almost every round
KILLED_AFTER_SECONDS = 10.0
HOLDS_SECONDS = 60


def main(address: str, job_id: str) -> None:
    lease_keeper.UNRESPONSIVE_SECONDS = KILLED_AFTER_SECONDS
    work = SqlWorkStore(open_database(address))
    claim = held(work, job_id, "publish", lease=timedelta(seconds=60))
    keeper = lease_keeper.LeaseKeeper(work, claim, lease=LEASE, poll_seconds=0.001)
    with keeper.heartbeat(), keeper.stoppable():
        time.sleep(0.2)
        sys.stdout.write("holding\n")
        sys.stdout.flush()
        ctypes.PyDLL(None).sleep(HOLDS_SECONDS)  # PyDLL does not release the interpreter lock


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
