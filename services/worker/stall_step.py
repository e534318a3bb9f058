"""Recovers a worker that takes none of the messages in Redis: it reconnects, or exits and is restarted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import bootsteps
from redis import ConnectionError as ConnectionLost
from redis import Redis, RedisError

from services.worker.liveness import LIVENESS, Liveness
from shared.infra.queue_settings import RedisSettings

log = structlog.get_logger()

CHECK_SECONDS = 5.0
RECONNECT_SECONDS = 15.0  # a healthy worker takes a message within this time, but not on a very busy machine
STALL_SECONDS = 180.0  # far more than a healthy worker needs to replace a process and to take a message
TIMEOUT_SECONDS = 1.0  # for Redis, because the check runs in the event loop


class StallWatch:
    """Measures how long messages wait in Redis while no process of this worker reports progress.

    If Redis stops while Celery acknowledges or rejects a message, Celery only logs the error and waits for this
    message forever. It may also loop endlessly in its event loop, in which timers still fire.
    """

    def __init__(
        self,
        waiting: Callable[[], int],
        server: Callable[[], str],
        progress: Liveness,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = waiting
        self._server = server
        self._progress = progress
        self._clock = clock
        self._first_server = server()
        self._waiting_since: float | None = None

    def seconds_without_progress(self) -> float:
        """Returns for how many seconds messages have waited without progress."""
        try:
            waiting = self._waiting()
        except RedisError:
            waiting = 0  # without Redis no worker can take messages
        now = self._clock()
        if not waiting:
            self._waiting_since = None
            return 0.0
        if self._waiting_since is None:
            self._waiting_since = now
        return now - max(self._waiting_since, self._progress.last)

    def server_changed(self) -> bool:
        """Whether Redis was restarted after the worker had connected."""
        try:
            return self._server() != self._first_server
        except RedisError:
            return False


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
        watch = StallWatch(
            lambda: sum(int(client.llen(queue)) for queue in queues),
            lambda: str(client.info("server")["run_id"]),
            LIVENESS,
        )
        self._timer = consumer.timer.call_repeatedly(CHECK_SECONDS, lambda: recover_if_stalled(watch))

    def stop(self, consumer: Any) -> None:
        del consumer
        if self._timer is not None:
            self._timer.cancel()


def recover_if_stalled(watch: StallWatch) -> None:
    seconds = watch.seconds_without_progress()
    if seconds > STALL_SECONDS:
        log.error("worker.stalled", seconds=STALL_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)  # a regular shutdown would wait for the stalled loop
    if seconds > RECONNECT_SECONDS and watch.server_changed():
        log.warning("worker.reconnects", seconds=round(seconds))
        raise ConnectionLost("Redis was started again.")  # Celery then exits its event loop and connects again
