"""Answers that are remembered for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def ttl_cache(compute: Callable[[], Result], seconds: float) -> Callable[[], Result]:
    """What an answer costs must not grow with how often it is asked for."""
    lock = threading.Lock()
    last: list[tuple[float, Result]] = []

    def answer() -> Result:
        with lock:
            if not last or time.monotonic() - last[0][0] > seconds:
                last[:] = [(time.monotonic(), compute())]
            return last[0][1]

    return answer
