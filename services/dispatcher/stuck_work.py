"""Makes work runnable again that no worker will finish: expired leases, lost messages, poisoned jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared.infra.ticket_sender import TicketSender

log = structlog.get_logger()

# A message older than this in an empty queue is lost: Redis loses its last second in a crash.
RESEND_AFTER = timedelta(seconds=15)
RESEND_AFTER_LONG = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class StuckWork:
    tickets: TicketSender

    def free(self) -> None:
        swept = self.tickets.work.sweep(lost_after=RESEND_AFTER if self._all_queues_empty() else RESEND_AFTER_LONG)
        if swept.freed or swept.poisoned:
            log.info("dispatcher.leases_freed", freed=swept.freed, poisoned=swept.poisoned)

    def _all_queues_empty(self) -> bool:
        try:
            return not any(self.tickets.queue.waiting(name) for name in self.tickets.queues)
        except Exception as error:  # noqa: BLE001 - Redis is unavailable: expired leases are freed anyway
            log.warning("dispatcher.queue_unreachable", error=type(error).__name__)
            return False
