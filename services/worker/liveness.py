"""The time of the last progress of a worker's processes, in memory that the main process shares with them."""

from __future__ import annotations

import mmap
import struct
import time

_TIME = struct.Struct("d")


class Liveness:
    """Created before the processes are forked; the monotonic clock is the same in all of them."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _TIME.size)
        self.mark()

    def mark(self) -> None:
        _TIME.pack_into(self._shared, 0, time.monotonic())

    @property
    def last(self) -> float:
        (at,) = _TIME.unpack_from(self._shared)
        return float(at)


LIVENESS = Liveness()
