"""Runs the periodic tasks of a process until its stop event is set."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from threading import Event

import structlog

log = structlog.get_logger()


def stop_event() -> Event:
    """Returns an event that SIGTERM and SIGINT set."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


class PeriodicTasks:
    """Tasks with the seconds between their runs; each is idempotent, so another process may run it at the same time."""

    def __init__(self, failed: str, *tasks: tuple[float, Callable[[], object]]) -> None:
        self._failed = failed  # the event that is logged when a task fails
        self._tasks = tasks
        self._due = [0.0] * len(tasks)

    def run_due(self) -> None:
        for number, (seconds, task) in enumerate(self._tasks):
            if time.monotonic() < self._due[number]:
                continue
            try:
                task()
            # A failing task must not stop the others, and is retried later. Its text could contain an address.
            except Exception as error:  # noqa: BLE001
                log.warning(self._failed, task=task.__name__, error=type(error).__name__)
            self._due[number] = time.monotonic() + seconds
