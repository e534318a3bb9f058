"""The dispatcher's loop: keeps a short Redis queue filled, round-robin by tenant, and runs the periodic tasks."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event

from services.dispatcher.erasure import Erasure
from services.dispatcher.stuck_work import StuckWork
from shared.infra.heartbeat import HEARTBEAT_SECONDS, Heartbeat
from shared.infra.periodic import PeriodicTasks
from shared.infra.ticket_sender import TicketSender

POLL_SECONDS = 0.5  # seconds between database polls
RETENTION_SECONDS = 60.0
OLD_ROWS_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Dispatcher:
    tickets: TicketSender
    stuck_work: StuckWork
    erasure: Erasure
    sweep_seconds: float
    heartbeat: Heartbeat

    def run(self, stop: Event) -> None:
        tasks = PeriodicTasks(
            "dispatcher.task_failed",
            (self.sweep_seconds, self.stuck_work.free),
            (RETENTION_SECONDS, self.erasure.delete_expired),
            (self.sweep_seconds, self.erasure.finish_erasures),
            (OLD_ROWS_SECONDS, self.erasure.delete_old_rows),
            (HEARTBEAT_SECONDS, self.send),
            (0.0, self.send_if_ready),
        )
        while not stop.is_set():
            tasks.run_due()
            stop.wait(POLL_SECONDS)

    def send(self) -> None:
        """Sending uses Redis and the database, so its success serves as the heartbeat."""
        self.tickets.send_pending()
        self.heartbeat.touch()

    def send_if_ready(self) -> None:
        """Usually there is nothing to send, because gateway and workers send directly."""
        if self.tickets.work.any_ready(self.tickets.queues):
            self.send()
