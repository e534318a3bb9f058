"""After a job is committed its first stages are sent to the queue."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from shared.infra.ticket_sender import TicketSender

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class QueueNotifier:
    """Sending is a courtesy: what is not sent now, the sweep sends a little later."""

    tickets: TicketSender

    def notify(self) -> None:
        try:
            self.tickets.send_pending()
        # Whatever the broker's client raises: the job is safe in the database, and its sender has been answered.
        except Exception as error:  # noqa: BLE001
            log.warning("gateway.queue_unreachable", error=type(error).__name__)

    def is_reachable(self) -> bool:
        try:
            self.tickets.queue.waiting(self.tickets.queues[0])
        except Exception as error:  # noqa: BLE001 - see above; not ready is the answer, whatever the reason
            log.warning("gateway.queue_unreachable", error=type(error).__name__)
            return False
        return True
