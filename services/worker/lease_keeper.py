"""Extends the lease of a running stage, and cancels the stage when the lease is lost or a limit is reached."""

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

from services.worker.liveness import LIVENESS
from shared.domain.error import LeaseLost
from shared.domain.work import Claim
from shared.infra.database.work import SqlWorkStore

log = structlog.get_logger()

UNRESPONSIVE_SECONDS = 60.0  # seconds after which a process that does not react is killed
WAKE_SIGNAL = signal.SIGUSR2  # interrupts a system call of the stage's thread
SHUTDOWN_SIGNALS = (signal.SIGTERM, signal.SIGQUIT)  # the worker shuts down, or lost its broker connection


class CancelReason(StrEnum):
    LEASE_LOST = "lease_lost"  # cancelled, erased, or taken over by another worker
    SHUTTING_DOWN = "shutting_down"
    TIMED_OUT = "timed_out"


class StageCancelled(BaseException):
    """Raised inside a running stage; a BaseException, so that no `except Exception` treats it as an engine failure."""

    def __init__(self, reason: CancelReason) -> None:
        super().__init__(reason)
        self.reason = reason


class LeaseKeeper:
    """A thread beside the stage's own thread, which native code may block for minutes."""

    def __init__(self, work: SqlWorkStore, claim: Claim, *, lease: timedelta, poll_seconds: float) -> None:
        self._work = work
        self._claim = claim
        self._lease = lease
        self._poll_seconds = poll_seconds
        self._fraction = self._written = 0.0
        self._deadline: float | None = None
        self._cancel_reason: CancelReason | None = None
        self._stop_requested_at = 0.0
        self._stoppable = False
        self._finished = threading.Event()
        self._stage_thread = threading.get_ident()

    @property
    def claim(self) -> Claim:
        return self._claim

    def limit(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def progress(self, fraction: float) -> None:
        self._fraction = fraction

    def check(self) -> None:
        """Check in the database, before each write, that the claim is still valid."""
        if self._cancel_reason is CancelReason.LEASE_LOST:
            raise StageCancelled(CancelReason.LEASE_LOST)
        try:
            self._work.job(self._claim)
        except LeaseLost:
            self._cancel_reason = self._cancel_reason or CancelReason.LEASE_LOST
            raise StageCancelled(CancelReason.LEASE_LOST) from None

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Handle signals and extend the lease inside the block; the stage is only cancelled within `stoppable`."""
        thread = threading.Thread(target=self._heartbeat_loop, name="lease-keeper", daemon=True)
        before = {number: signal.signal(number, self._on_signal) for number in (WAKE_SIGNAL, *SHUTDOWN_SIGNALS)}
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self._restart_kill_timer()
        thread.start()
        try:
            yield
        finally:
            self._finished.set()
            thread.join()
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        self._stoppable = True
        try:
            if self._cancel_reason is not None:
                self._stoppable = False
                raise StageCancelled(self._cancel_reason)
            yield
        finally:
            self._stoppable = False

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in SHUTDOWN_SIGNALS:
            self._request_stop(CancelReason.SHUTTING_DOWN)
        if self._stoppable and self._cancel_reason is not None:
            self._stoppable = False  # only once, so that cleanup is not interrupted
            raise StageCancelled(self._cancel_reason)

    def _request_stop(self, reason: CancelReason) -> None:
        if self._cancel_reason is None:
            self._cancel_reason = reason
            self._stop_requested_at = time.monotonic()

    def _heartbeat_loop(self) -> None:
        extended = time.monotonic()
        while not self._finished.wait(self._poll_seconds):
            self._restart_kill_timer()
            now = time.monotonic()
            due = now - extended >= self._lease.total_seconds() / 3
            try:
                if due or self._fraction - self._written >= 0.01:
                    self._work.extend(self._claim, self._lease, progress=self._fraction)
                    self._written, extended = self._fraction, now
                else:
                    self._work.job(self._claim)
            except LeaseLost:
                self._stop(CancelReason.LEASE_LOST)
            except Exception as error:  # noqa: BLE001 - a short database outage does not end the stage
                log.warning("worker.lease_extension_failed", stage=self._claim.stage, error=type(error).__name__)
                if now - extended >= self._lease.total_seconds():
                    self._stop(CancelReason.LEASE_LOST)
            if self._deadline is not None and now > self._deadline:
                self._stop(CancelReason.TIMED_OUT)
            self._kill_if_unresponsive(now)

    def _restart_kill_timer(self) -> None:
        """Let the kernel end this process, with SIGALRM, if this is not called again for the length of a lease.

        Native code that keeps the interpreter lock stops every thread of this process, including this one, so nothing
        inside the process could end it. Celery starts a new process; the lease expires and is swept.
        """
        LIVENESS.mark()
        signal.setitimer(signal.ITIMER_REAL, max(UNRESPONSIVE_SECONDS, self._lease.total_seconds()))

    def _stop(self, reason: CancelReason) -> None:
        self._request_stop(reason)
        if self._stoppable:
            signal.pthread_kill(self._stage_thread, WAKE_SIGNAL)

    def _kill_if_unresponsive(self, now: float) -> None:
        if self._cancel_reason is not None and self._stoppable and now - self._stop_requested_at > UNRESPONSIVE_SECONDS:
            log.error(
                "worker.stage_unresponsive", job=self._claim.job_id, stage=self._claim.stage, reason=self._cancel_reason
            )
            os.kill(os.getpid(), signal.SIGKILL)  # Celery starts a new process; the lease expires and is swept
