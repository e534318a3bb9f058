"""Caches recently read transcripts in memory, because each edit of a long meeting reads its transcript again."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from shared.domain.transcript import Transcript

MAX_BYTES = 24_000_000  # of JSON: a meeting of four hours, or many short ones; parsed, they need six times as much
UNUSED_SECONDS = 300.0  # an erased transcript leaves the memory after this time
SWEEP_SECONDS = 30.0


@dataclass(slots=True)
class _Parsed:
    transcript: Transcript
    size: int
    used: float


class ParsedTranscripts:
    """The key of a transcript is the hash of its stored JSON, so an erased or replaced one is never returned."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._parsed: OrderedDict[bytes, _Parsed] = OrderedDict()  # least recently used first

    def parse(self, content: bytes) -> Transcript:
        key = hashlib.sha256(content).digest()
        with self._lock:
            if (known := self._parsed.get(key)) is not None:
                known.used = time.monotonic()
                self._parsed.move_to_end(key)
                return known.transcript
        transcript = Transcript.model_validate_json(content)
        with self._lock:
            self._parsed[key] = _Parsed(transcript, len(content), time.monotonic())
            while sum(one.size for one in self._parsed.values()) > self._max_bytes:
                self._parsed.popitem(last=False)
        return transcript

    def forget_unused(self, seconds: float) -> None:
        """Removes the transcripts that were not read for this time."""
        with self._lock:
            oldest = time.monotonic() - seconds
            for key in [key for key, one in self._parsed.items() if one.used <= oldest]:
                del self._parsed[key]

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.forget_unused(UNUSED_SECONDS)
