"""The queue between whoever has work and whoever does it; the database decides, the queue only wakes."""

from __future__ import annotations

from typing import Protocol

from shared.domain.work import Ticket


class TicketQueue(Protocol):
    """A message may get lost or come twice: the sweep sends again, and a claim is granted once."""

    def send(self, ticket: Ticket) -> None: ...

    def waiting(self, queue: str) -> int:
        """Messages that no worker has taken; so that lost ones are noticed."""
        ...
