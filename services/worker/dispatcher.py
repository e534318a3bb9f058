"""`python -m services.worker.dispatcher`: keeps a short Redis queue filled, round-robin by tenant, and sweeps."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event

import structlog

from shared.domain.job_blobs import job_folder
from shared.domain.stage_plan import QUEUES
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.heartbeat import HEARTBEAT_SECONDS, Heartbeat
from shared.infra.queue_celery import CeleryQueue
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.settings import DatabaseSettings, PublicSettings, StorageSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_blob_store, open_database_for
from shared.infra.ticket_sender import TicketSender
from shared.ports.blobs import BlobStore
from shared.ports.jobs import WorkQueue
from shared.ports.queue import TicketQueue

log = structlog.get_logger()

POLL_SECONDS = 0.5  # seconds between database polls
FULL_POLL_SECONDS = (
    HEARTBEAT_SECONDS  # seconds after which enqueueing runs without a check, as a heartbeat of this process
)
# Messages older than this in an empty queue are lost: Redis loses its last second in a crash.
RESEND_AFTER = timedelta(seconds=15)
RESEND_AFTER_LONG = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Every task is idempotent and may run beside another dispatcher or courier."""

    work: WorkQueue
    queue: TicketQueue
    blobs: BlobStore
    max_waiting: int
    sweep_seconds: float = 5.0
    queues: Sequence[str] = QUEUES
    heartbeat: Heartbeat = field(default_factory=Heartbeat)

    def enqueue_pending(self) -> int:
        """Send stages that may run now, up to the queue's limit; return the number of tickets."""
        return TicketSender(self.work, self.queue, self.max_waiting, self.queues).send_pending()

    def sweep(self) -> None:
        swept = self.work.sweep(lost_after=RESEND_AFTER if self._all_queues_empty() else RESEND_AFTER_LONG)
        if swept.freed or swept.poisoned:
            log.info("dispatcher.leases_freed", freed=swept.freed, poisoned=swept.poisoned)

    def finish_erasures(self) -> None:
        for erasure in self.work.pending_erasures():
            self.blobs.delete_prefix(erasure.tenant, job_folder(erasure.id))
            if not any(True for _ in self.blobs.keys(erasure.tenant, job_folder(erasure.id))):
                self.work.finish_erasure(erasure.tenant, erasure.id)
                log.info("dispatcher.job_erased", job=erasure.id)

    def poll(self) -> None:
        """Usually there is nothing to send, because gateway and workers send directly."""
        if self.work.any_ready(self.queues):
            self.enqueue_and_heartbeat()

    def enqueue_and_heartbeat(self) -> None:
        """Enqueueing uses Redis and the database, so its success serves as the heartbeat."""
        self.enqueue_pending()
        self.heartbeat.touch()

    def run(self, stop: Event) -> None:
        next_sweep = next_fill = 0.0
        while not stop.is_set():
            now = time.monotonic()
            tasks: list[Callable[[], object]] = [self.poll]
            if now >= next_fill:
                tasks = [self.enqueue_and_heartbeat]
                next_fill = now + FULL_POLL_SECONDS
            if now >= next_sweep:
                tasks = [self.sweep, self.finish_erasures, self.enqueue_and_heartbeat]
                next_sweep = now + self.sweep_seconds
            for task in tasks:
                try:
                    task()
                except Exception as error:  # noqa: BLE001 - database or Redis is unavailable: the next poll retries
                    log.warning("dispatcher.task_failed", task=task.__name__, error=type(error).__name__)
            stop.wait(POLL_SECONDS)

    def _all_queues_empty(self) -> bool:
        try:
            return not any(self.queue.waiting(name) for name in self.queues)
        except Exception as error:  # noqa: BLE001 - Redis is unavailable: expired leases are swept anyway
            log.warning("dispatcher.queue_unreachable", error=type(error).__name__)
            return False


def main() -> int:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings, storage = QueueSettings(), StorageSettings()
    queue = CeleryQueue(RedisSettings(), settings)
    database = open_database_for(DatabaseSettings(), storage)
    work, blobs = SqlWorkQueue(database, public_url=PublicSettings().url), open_blob_store(storage)
    heartbeat = Heartbeat.from_environment()
    Dispatcher(work, queue, blobs, settings.max_waiting, settings.sweep_seconds, heartbeat=heartbeat).run(stop)
    queue.close()
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(run_service(main))
