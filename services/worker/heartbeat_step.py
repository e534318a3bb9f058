"""Writes the heartbeat of the worker's main process for the container's health check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from celery import bootsteps

from shared.infra.heartbeat import HEARTBEAT_SECONDS, Heartbeat
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.storage_factory import open_unpooled_database

log = structlog.get_logger()


class HeartbeatStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """A timer in the event loop that receives messages and supervises the processes.

    The timer stops when the loop is stuck, and when Redis is unavailable: then Celery leaves the loop until it has
    reconnected. A heartbeat also queries the database, because a stage cannot be claimed without it.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._heartbeat = Heartbeat.from_environment()
        self._timers: list[Any] = []
        self._query_database: Callable[[], None] | None = None
        self.enabled = self._heartbeat.path is not None

    def start(self, consumer: Any) -> None:
        self._timers = [
            consumer.timer.call_after(0, self._touch),
            consumer.timer.call_repeatedly(HEARTBEAT_SECONDS, self._touch),
        ]

    def stop(self, consumer: Any) -> None:
        del consumer
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _touch(self) -> None:
        try:
            if self._query_database is None:
                self._query_database = open_unpooled_database(DatabaseSettings(), StorageSettings()).ask
            self._query_database()
        # On any driver error the heartbeat is skipped; a timer that raises would end the worker.
        except Exception as error:  # noqa: BLE001
            log.warning("worker.database_unreachable", error=type(error).__name__)
        else:
            self._heartbeat.touch()
