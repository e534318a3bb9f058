"""A cache for the result of one function, with a time to live."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def ttl_cache(compute: Callable[[], Result], seconds: float) -> Callable[[], Result]:
    """Cache the result for `seconds`, so that its cost does not grow with the number of callers."""
    lock = threading.Lock()
    last: list[tuple[float, Result]] = []

    def cached() -> Result:
        with lock:
            if not last or time.monotonic() - last[0][0] > seconds:
                last[:] = [(time.monotonic(), compute())]
            return last[0][1]

    return cached
