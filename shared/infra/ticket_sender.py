"""Sends ready tickets to short queues in the order that the database decides; every program may run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.stage_plan import QUEUES
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.queue_celery import CeleryQueue


@dataclass(frozen=True, slots=True)
class TicketSender:
    work: SqlWorkQueue
    queue: CeleryQueue
    max_waiting: int
    queues: Sequence[str] = QUEUES

    def send_pending(self) -> int:
        """Sends ready tickets up to the queue limit, and returns their number."""
        # Check the connection first: a ticket marked as sent but not sent would wait until it counts as lost.
        self.queue.waiting(self.queues[0])
        count = 0
        for name in self.queues:
            for ticket in self.work.next_tickets(name, max_waiting=self.max_waiting):
                self.queue.send(ticket)
                count += 1
        return count
