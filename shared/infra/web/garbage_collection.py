"""Garbage collection of services that build large responses."""

from __future__ import annotations

import gc

YOUNG = 50_000  # new objects before a collection; the default of 700 takes half of the time of reading a transcript
OLDER = 50  # collections of the younger generation before one of the older


def collect_less_often() -> None:
    """Call it when the service is built: what exists by then is never collected."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, OLDER, OLDER)
