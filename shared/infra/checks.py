"""Readiness checks of a service's dependencies: run in threads, with a timeout and a short cache."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

TIMEOUT_SECONDS = 2.0  # seconds
CACHE_SECONDS = 0.3  # seconds; limits the cost of frequent readiness requests


@dataclass(slots=True)
class _CheckRun:
    """One run of a check in its own thread."""

    began: float
    ended: threading.Event = field(default_factory=threading.Event)
    passed: bool = False


class ReadinessCheck:
    """Runs `check`, which fails when it raises, returns False, or takes longer than `timeout_seconds`.

    A check that hangs occupies one thread in total, and never blocks a request.
    """

    def __init__(
        self,
        name: str,
        check: Callable[[], object],
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        cache_seconds: float = CACHE_SECONDS,
    ) -> None:
        self._name = name
        self._check = check
        self._timeout_seconds = timeout_seconds
        self._cache_seconds = cache_seconds
        self._lock = threading.Lock()
        self._last_run: _CheckRun | None = None

    def begin(self) -> None:
        """Starts the check without waiting for its result."""
        self._current()

    def passes(self) -> bool:
        run = self._current()
        left = run.began + self._timeout_seconds - time.monotonic()
        if run.ended.wait(max(0.0, left)):
            return run.passed
        log.warning("service.not_ready", check=self._name, error="timeout")
        return False

    def _current(self) -> _CheckRun:
        """Returns the run that is in progress or still cached, or starts a new one."""
        with self._lock:
            now = time.monotonic()
            last = self._last_run
            if last is None or (last.ended.is_set() and now - last.began > self._cache_seconds):
                last = self._last_run = _CheckRun(now)
                threading.Thread(target=self._run, args=(last,), name=f"check-{self._name}", daemon=True).start()
            return last

    def _run(self, run: _CheckRun) -> None:
        try:
            run.passed = self._check() is not False
        # Every exception means that the check failed; its text is not logged because it could name an address.
        except Exception as error:  # noqa: BLE001
            log.warning("service.not_ready", check=self._name, error=type(error).__name__)
        run.ended.set()


def run_checks(checks: Mapping[str, ReadinessCheck]) -> dict[str, bool]:
    """Runs all checks in parallel."""
    for check in checks.values():
        check.begin()
    return {name: check.passes() for name, check in checks.items()}
