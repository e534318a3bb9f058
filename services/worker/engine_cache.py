"""Keeps engines in memory between stages and unloads them when they are idle."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import structlog

from services.worker.stage_factory import Loader
from shared.engines.catalog import Setup, Slot, choose

log = structlog.get_logger()

T = TypeVar("T")


class EngineCache:
    """Created in the forked process that uses it: models opened before a fork would rely on threads that fork drops."""

    def __init__(self, idle_seconds: float, load: Loader = choose) -> None:
        self._load = load
        self._idle = idle_seconds
        self._lock = threading.Lock()
        self._engines: dict[tuple[str, str | None], object] = {}
        self._weights_changed: int | None = None
        self._users = 0
        self._since = time.monotonic()
        self._watch: threading.Thread | None = None

    def load(self, slot: Slot[T], requested: str | None, setup: Setup, /) -> T:
        """The setup is constant per machine, so it is not part of the cache key; fetched weights change the choice."""
        changed = _modified(setup.engines.models_dir)
        if changed != self._weights_changed:
            self._engines.clear()
            self._weights_changed = changed
        key = (slot.name, requested)
        if key not in self._engines:
            self._engines[key] = self._load(slot, requested, setup)
        return cast("T", self._engines[key])  # loaded from this slot

    @contextmanager
    def in_use(self) -> Iterator[None]:
        with self._lock:
            self._users += 1
            if self._watch is None:
                self._watch = threading.Thread(target=self._unload_when_idle, name="idle-unload", daemon=True)
                self._watch.start()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                self._since = time.monotonic()

    def __len__(self) -> int:
        return len(self._engines)

    def _unload_when_idle(self) -> None:
        while True:
            time.sleep(self._idle / 10)
            with self._lock:
                if not self._engines or self._users or time.monotonic() - self._since < self._idle:
                    continue
                count = len(self._engines)
                self._engines.clear()
                gc.collect()
            log.info("worker.engines_unloaded", count=count)


def _modified(folder: Path) -> int | None:
    try:
        return folder.expanduser().stat().st_mtime_ns
    except FileNotFoundError:
        return None
