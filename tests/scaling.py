"""Measures how processor time grows with the input."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

# Twice the input may take at most 2.5 times the processor time. The input is doubled four times: linear (16) and
# quadratic work (256) then differ from the limit (39) by more than the noise of a busy machine.
DOUBLINGS = 4
LIMIT = 2.5**DOUBLINGS
ATTEMPTS = 3


def growth(prepare: Callable[[int], Callable[[], object]], size: int) -> float:
    """The processor time for `size` after four doublings relative to that for `size`, each the best of several.

    A result above the limit is measured again, because noise does not repeat and superlinear work does.
    """
    found = LIMIT
    for _ in range(ATTEMPTS):
        found = _best(prepare(size * 2**DOUBLINGS), attempts=2) / _best(prepare(size), attempts=5)
        if found < LIMIT:
            break
    return found


def _best(run: Callable[[], object], attempts: int) -> float:
    seconds = []
    gc.disable()  # a collection visits the objects of all other tests
    try:
        for _ in range(attempts):
            began = time.process_time()
            run()
            seconds.append(time.process_time() - began)
    finally:
        gc.enable()
    return max(min(seconds), 1e-3)  # less than a millisecond is noise
