"""A worker's hold on a stage while it runs: its lease is extended, and the stage stopped once it may not go on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from types import FrameType

import structlog

from shared.domain.error import LeaseLost
from shared.domain.work import Claim
from shared.ports.jobs import WorkStore

log = structlog.get_logger()

STUBBORN = 60.0  # seconds after which native code that does not come back is ended with its process
OURS = signal.SIGUSR2  # wakes the stage's thread out of a system call
FROM_CELERY = (signal.SIGTERM, signal.SIGQUIT)  # the worker ends, or has lost its broker


class Why(StrEnum):
    LOST = "lost"  # cancelled, erased, or taken over by another worker
    ENDING = "ending"
    SLOW = "slow"


class Stopped(BaseException):
    """Raised in the middle of a stage; no `except Exception` on its way may take it for an engine's failure."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


class Hold:
    """A thread beside the stage. Native code may keep the stage's own thread busy for minutes."""

    def __init__(self, work: WorkStore, claim: Claim, *, lease: timedelta, look: float) -> None:
        self._work = work
        self._claim = claim
        self._lease = lease
        self._look = look
        self._fraction = self._written = 0.0
        self._deadline: float | None = None
        self._why: Why | None = None
        self._told_at = 0.0
        self._stoppable = False
        self._over = threading.Event()
        self._stage_thread = threading.get_ident()

    @property
    def claim(self) -> Claim:
        return self._claim

    @property
    def why(self) -> Why | None:
        return self._why

    def limit(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def progress(self, fraction: float) -> None:
        self._fraction = fraction

    def check(self) -> None:
        """Before each write: the claim still holds in the database, now."""
        if self._why is Why.LOST:
            raise Stopped(Why.LOST)
        try:
            self._work.job(self._claim)
        except LeaseLost:
            self._why = self._why or Why.LOST
            raise Stopped(Why.LOST) from None

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Signals are caught and the lease extended within; nothing is stopped before and after `stoppable`."""
        thread = threading.Thread(target=self._beat, name="hold", daemon=True)
        before = {number: signal.signal(number, self._hear) for number in (OURS, *FROM_CELERY)}
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        self._stoppable = True
        try:
            if self._why is not None:
                self._stoppable = False
                raise Stopped(self._why)
            yield
        finally:
            self._stoppable = False

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if number in FROM_CELERY:
            self._tell(Why.ENDING)
        if self._stoppable and self._why is not None:
            self._stoppable = False  # once: what cleans up on the way out is left in peace
            raise Stopped(self._why)

    def _tell(self, why: Why) -> None:
        if self._why is None:
            self._why = why
            self._told_at = time.monotonic()

    def _beat(self) -> None:
        extended = time.monotonic()
        while not self._over.wait(self._look):
            now = time.monotonic()
            due = now - extended >= self._lease.total_seconds() / 3
            try:
                if due or self._fraction - self._written >= 0.01:
                    self._work.extend(self._claim, self._lease, progress=self._fraction)
                    self._written, extended = self._fraction, now
                else:
                    self._work.job(self._claim)
            except LeaseLost:
                self._stop(Why.LOST)
            except Exception as error:  # noqa: BLE001 - a database that is away for a moment does not end the stage
                log.warning("worker.lease_not_extended", stage=self._claim.stage, error=type(error).__name__)
                if now - extended >= self._lease.total_seconds():
                    self._stop(Why.LOST)
            if self._deadline is not None and now > self._deadline:
                self._stop(Why.SLOW)
            self._end_if_stubborn(now)

    def _stop(self, why: Why) -> None:
        self._tell(why)
        if self._stoppable:
            signal.pthread_kill(self._stage_thread, OURS)

    def _end_if_stubborn(self, now: float) -> None:
        if self._why is not None and self._stoppable and now - self._told_at > STUBBORN:
            log.error("worker.stage_does_not_stop", job=self._claim.job_id, stage=self._claim.stage, why=self._why)
            os.kill(os.getpid(), signal.SIGKILL)  # Celery starts another process; the lease runs out and is swept
