"""Reports the engines of this machine at the start of a worker, and then every hour."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import structlog
from celery import bootsteps

from shared.infra.child_process import start_child

log = structlog.get_logger()

FIRST_SECONDS = 5.0  # after the worker's own start
REPORT_SECONDS = 3600.0
REAP_SECONDS = 5.0


class ReportStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """A timer that starts another process: loading every engine would block the event loop and keep its memory."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timers: list[Any] = []
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, consumer: Any) -> None:
        self._timers = [
            consumer.timer.call_after(FIRST_SECONDS, self._report),
            consumer.timer.call_repeatedly(REPORT_SECONDS, self._report),
            consumer.timer.call_repeatedly(REAP_SECONDS, self._reap),
        ]

    def stop(self, consumer: Any) -> None:
        del consumer
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            self._running = None

    def _report(self) -> None:
        if self._running is None:
            self._running = start_child((sys.executable, "-m", "services.worker.engine_report"))

    def _reap(self) -> None:
        if self._running is not None and self._running.poll() is not None:
            if self._running.returncode:
                log.warning("worker.engine_report_failed", status=self._running.returncode)
            self._running = None
