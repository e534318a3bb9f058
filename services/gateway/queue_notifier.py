"""Sends a job's first stages to the queue after the job is committed."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from shared.infra.ticket_sender import TicketSender

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class QueueNotifier:
    """Sending here only reduces latency: the dispatcher's sweep sends whatever is not sent now."""

    tickets: TicketSender

    def notify(self) -> None:
        try:
            self.tickets.send_pending()
        # Any error of the broker's client: the job is stored in the database, and the client has its response.
        except Exception as error:  # noqa: BLE001
            log.warning("gateway.queue_unreachable", error=type(error).__name__)

    def is_reachable(self) -> bool:
        try:
            self.tickets.queue.waiting(self.tickets.queues[0])
        except Exception as error:  # noqa: BLE001 - see above; any error means not ready
            log.warning("gateway.queue_unreachable", error=type(error).__name__)
            return False
        return True
