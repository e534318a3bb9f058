"""Keeps a short queue filled, in the turns that the database decides; whoever has made work may do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.plan import QUEUES
from shared.ports.jobs import WorkQueue
from shared.ports.queue import TicketQueue


@dataclass(frozen=True, slots=True)
class Tickets:
    work: WorkQueue
    queue: TicketQueue
    most_waiting: int
    queues: Sequence[str] = QUEUES

    def send(self) -> int:
        """Send what may run now, as far as there is room; how many tickets it was."""
        # Asked first: a ticket that is marked as sent but was not would wait until it counts as lost.
        self.queue.waiting(self.queues[0])
        count = 0
        for name in self.queues:
            for ticket in self.work.next_tickets(name, most_waiting=self.most_waiting):
                self.queue.send(ticket)
                count += 1
        return count
