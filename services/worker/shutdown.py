"""How a worker stops: its running stages may end, but only for a limited time; then they are handed back."""

from __future__ import annotations

import os
import signal
import threading

from celery import signals

WARM = "Warm"  # Celery's name for a shutdown that waits until the running tasks have ended


class ShutdownLimit:
    """Ends a warm shutdown after some seconds.

    Celery's warm shutdown waits without a limit, but it notices at once that a stage has ended. Its soft shutdown has
    a limit, but it sleeps for all of that time. So SIGTERM starts a warm shutdown, and a timer sends SIGQUIT at the
    limit: Celery's cold shutdown then stops the stages, which hand themselves back (see hold.py).
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: threading.Timer | None = None

    def install(self) -> None:
        signals.worker_shutting_down.connect(self.begin, weak=False)

    def begin(self, how: str = WARM, **_: object) -> None:
        """Called by Celery in its signal handler; a second SIGTERM starts no second timer."""
        if how != WARM or self._timer is not None:
            return
        self._timer = threading.Timer(self._seconds, os.kill, (os.getpid(), signal.SIGQUIT))
        self._timer.daemon = True  # a worker that has ended before the limit does not wait for it
        self._timer.start()
