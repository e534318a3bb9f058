"""Whether what a service needs can be used now: asked beside the request, waited for briefly, remembered shortly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

TIMEOUT_SECONDS = 2.0  # seconds
CACHE_SECONDS = 0.3  # seconds; what an answer costs must not grow with how often it is asked for


@dataclass(slots=True)
class _CheckRun:
    """One question in a thread of its own."""

    began: float
    ended: threading.Event = field(default_factory=threading.Event)
    passed: bool = False


class ReadinessCheck:
    """`ask` fails when it raises, answers False, or takes longer than `patience`.

    What hangs keeps one thread, however often it is asked about, and cannot keep a request.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], object],
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        cache_seconds: float = CACHE_SECONDS,
    ) -> None:
        self._name = name
        self._ask = ask
        self._timeout_seconds = timeout_seconds
        self._cache_seconds = cache_seconds
        self._lock = threading.Lock()
        self._asking: _CheckRun | None = None

    def begin(self) -> None:
        """Ask, without waiting for the answer."""
        self._current()

    def passes(self) -> bool:
        asking = self._current()
        left = asking.began + self._timeout_seconds - time.monotonic()
        if asking.ended.wait(max(0.0, left)):
            return asking.passed
        log.warning("service.not_ready", check=self._name, error="timeout")
        return False

    def _current(self) -> _CheckRun:
        """The question that is under way, or whose answer is still fresh; else a new one."""
        with self._lock:
            now = time.monotonic()
            last = self._asking
            if last is None or (last.ended.is_set() and now - last.began > self._cache_seconds):
                last = self._asking = _CheckRun(now)
                threading.Thread(target=self._run, args=(last,), name=f"check-{self._name}", daemon=True).start()
            return last

    def _run(self, asking: _CheckRun) -> None:
        try:
            asking.passed = self._ask() is not False
        # Whatever breaks, the answer is the same; an error's own words could name an address.
        except Exception as error:  # noqa: BLE001
            log.warning("service.not_ready", check=self._name, error=type(error).__name__)
        asking.ended.set()


def run_checks(checks: Mapping[str, ReadinessCheck]) -> dict[str, bool]:
    """All of them side by side: together they take no longer than the slowest."""
    for check in checks.values():
        check.begin()
    return {name: check.passes() for name, check in checks.items()}
