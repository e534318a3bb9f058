"""Port for the work queue; the database has the state, the queue only notifies workers."""

from __future__ import annotations

from typing import Protocol

from shared.domain.work import Ticket


class TicketQueue(Protocol):
    """Sends tickets to workers. Messages may be lost or duplicated: the sweep resends, and claims are exclusive."""

    def send(self, ticket: Ticket) -> None: ...

    def waiting(self, queue: str) -> int:
        """The number of messages that no worker has received, which serves to detect lost messages."""
        ...
