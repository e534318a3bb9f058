"""Makes work runnable again that no worker will finish: expired leases, lost messages, poisoned jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared.infra.ticket_sender import TicketSender

log = structlog.get_logger()

# A ticket that was sent longer ago is lost unless it waits in the queue: a crash of Redis loses its last second, and a
# killed worker loses the message that it had taken. A ticket that a worker has just taken is sent twice, which is
# harmless, because claims are exclusive.
RESEND_AFTER = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class StuckWork:
    tickets: TicketSender

    def free(self) -> None:
        swept = self.tickets.work.sweep(lost_after=RESEND_AFTER, waiting=self._waiting())
        if swept.freed or swept.poisoned:
            log.info("dispatcher.leases_freed", freed=swept.freed, poisoned=swept.poisoned)

    def _waiting(self) -> set[tuple[str, str]]:
        try:
            return set().union(*map(self.tickets.queue.waiting_tickets, self.tickets.queues))
        except Exception as error:  # noqa: BLE001 - Redis is unavailable: expired leases are freed anyway
            log.warning("dispatcher.queue_unreachable", error=type(error).__name__)
            return set()
