"""Ends a worker that takes no work although work waits in Redis; its supervisor or container engine restarts it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import bootsteps
from redis import Redis, RedisError

from services.worker.progress import PROGRESS, Progress
from shared.infra.queue_settings import RedisSettings

log = structlog.get_logger()

CHECK_SECONDS = 10.0
STALL_SECONDS = 180.0  # far more than a healthy worker needs to replace a process and to take a message
TIMEOUT_SECONDS = 1.0  # for Redis, because the check runs in the event loop


class StallWatch:
    """Celery may spin in its event loop, with timers that still fire, after a process and Redis ended together. So a
    worker counts as alive while its processes report progress or no message waits."""

    def __init__(
        self, waiting: Callable[[], int], progress: Progress, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._waiting = waiting
        self._progress = progress
        self._clock = clock
        self._waiting_since: float | None = None

    def stalled(self) -> bool:
        try:
            waiting = self._waiting()
        except RedisError:
            waiting = 0  # without Redis no worker can take messages
        now = self._clock()
        if not waiting:
            self._waiting_since = None
            return False
        if self._waiting_since is None:
            self._waiting_since = now
        return now - max(self._waiting_since, self._progress.last) > STALL_SECONDS


class StallStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        queues = [queue.name for queue in consumer.task_consumer.queues]
        client = Redis.from_url(
            RedisSettings().client_url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
        watch = StallWatch(lambda: sum(int(client.llen(queue)) for queue in queues), PROGRESS)
        self._timer = consumer.timer.call_repeatedly(CHECK_SECONDS, lambda: _end_if_stalled(watch))

    def stop(self, consumer: Any) -> None:
        del consumer
        if self._timer is not None:
            self._timer.cancel()


def _end_if_stalled(watch: StallWatch) -> None:
    if watch.stalled():
        log.error("worker.stalled", seconds=STALL_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)  # a regular shutdown would wait for the loop that does not work
