"""A worker in small, in a process of its own: it claims, takes a moment, finishes; to be killed at any line."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from shared.domain.error import LeaseLost
from shared.domain.work import Claim
from shared.infra.database.engine import open_database
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue

LEASE = timedelta(seconds=6)  # a busy machine must not make a living worker look dead


def work(address: str, name: str) -> None:
    database = open_database(address)
    store, queue = SqlWorkStore(database), SqlWorkQueue(database)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        tickets = [ticket for kind in ("cpu", "gpu") for ticket in queue.next_tickets(kind, max_waiting=2)]
        for ticket in tickets:
            claim = store.claim(ticket.job_id, ticket.stage, name, LEASE)
            if not isinstance(claim, Claim):
                continue
            time.sleep(0.05)
            try:
                finish = store.publish if claim.stage == "publish" else store.finish_stage
                finish(claim, seconds=0.05)
            except LeaseLost:
                continue
        if not tickets:
            time.sleep(0.05)


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2])
