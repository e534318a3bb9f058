"""Worker shutdown: running stages may finish within a time limit; then they are requeued."""

from __future__ import annotations

import os
import signal
import threading

from celery import signals

WARM = "Warm"  # Celery's name for a shutdown that waits until the running tasks have ended


class ShutdownLimit:
    """Limits the duration of a warm shutdown.

    Celery's warm shutdown waits without a limit, but it ends as soon as the stages have ended. Its soft shutdown
    has a limit, but it always waits for the whole limit. So SIGTERM starts a warm shutdown, and a timer sends SIGQUIT
    at the limit: Celery's cold shutdown then stops the stages, which requeue themselves (see lease_keeper.py).
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: threading.Timer | None = None

    def install(self) -> None:
        signals.worker_shutting_down.connect(self.begin, weak=False)

    def begin(self, how: str = WARM, **_: object) -> None:
        """Called by Celery in its signal handler; a second SIGTERM has no effect."""
        if how != WARM or self._timer is not None:
            return
        self._timer = threading.Timer(self._seconds, os.kill, (os.getpid(), signal.SIGQUIT))
        self._timer.daemon = True  # a worker that has ended before the limit does not wait for it
        self._timer.start()
