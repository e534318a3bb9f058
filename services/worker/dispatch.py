"""`python -m services.worker.dispatch`: keeps a short queue in Redis filled in turns between tenants, and sweeps."""

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
from shared.domain.plan import QUEUES
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.heartbeat import EVERY, Heartbeat
from shared.infra.queue_celery import CeleryQueue
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.startup import run_service
from shared.infra.state import blobs_of, database_of
from shared.infra.tickets import Tickets
from shared.ports.blobs import BlobStore
from shared.ports.jobs import WorkQueue
from shared.ports.queue import TicketQueue

log = structlog.get_logger()

LOOK = 0.5  # seconds between looks for something to send
FILL = EVERY  # seconds after which the queue is filled without a look, as a sign that this process works
# Messages that wait this long in a queue that is empty are lost: Redis forgets its last second in a crash.
LOST = timedelta(seconds=15)
LATE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Every chore may run beside another dispatcher's or the courier's, and twice."""

    work: WorkQueue
    queue: TicketQueue
    blobs: BlobStore
    most_waiting: int
    sweep_seconds: float = 5.0
    queues: Sequence[str] = QUEUES
    heart: Heartbeat = field(default_factory=Heartbeat)

    def fill(self) -> int:
        """Send what may run now, as far as there is room; how many tickets it was."""
        return Tickets(self.work, self.queue, self.most_waiting, self.queues).send()

    def sweep(self) -> None:
        swept = self.work.sweep(lost_after=LOST if self._empty() else LATE)
        if swept.freed or swept.poisoned:
            log.info("dispatch.swept", freed=swept.freed, poisoned=swept.poisoned)

    def erase(self) -> None:
        for stone in self.work.erasing():
            self.blobs.delete_prefix(stone.tenant, job_folder(stone.id))
            if not any(True for _ in self.blobs.keys(stone.tenant, job_folder(stone.id))):
                self.work.erased(stone.tenant, stone.id)
                log.info("dispatch.erased", job=stone.id)

    def look(self) -> None:
        """Most of the time there is nothing to send: gateway and workers have sent it already."""
        if self.work.any_ready(self.queues):
            self.fill_and_beat()

    def fill_and_beat(self) -> None:
        """Filling asks Redis and the database, so its success is the sign that this process works."""
        self.fill()
        self.heart.beat()

    def run(self, stop: Event) -> None:
        next_sweep = next_fill = 0.0
        while not stop.is_set():
            now = time.monotonic()
            chores: list[Callable[[], object]] = [self.look]
            if now >= next_fill:
                chores = [self.fill_and_beat]
                next_fill = now + FILL
            if now >= next_sweep:
                chores = [self.sweep, self.erase, self.fill_and_beat]
                next_sweep = now + self.sweep_seconds
            for chore in chores:
                try:
                    chore()
                except Exception as error:  # noqa: BLE001 - database or Redis are away: the next look tries again
                    log.warning("dispatch.chore_failed", chore=chore.__name__, error=type(error).__name__)
            stop.wait(LOOK)

    def _empty(self) -> bool:
        try:
            return not any(self.queue.waiting(name) for name in self.queues)
        except Exception as error:  # noqa: BLE001 - Redis is away: dead leases are swept all the same
            log.warning("dispatch.queue_away", error=type(error).__name__)
            return False


def main() -> int:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings, storage = QueueSettings(), StorageSettings()
    queue = CeleryQueue(RedisSettings(), settings)
    database = database_of(DatabaseSettings(), storage)
    work, blobs = SqlWorkQueue(database), blobs_of(storage)
    heart = Heartbeat.from_environment()
    Dispatcher(work, queue, blobs, settings.most_waiting, settings.sweep_seconds, heart=heart).run(stop)
    queue.close()
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(run_service(main))
