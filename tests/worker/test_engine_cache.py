from __future__ import annotations

import time
from typing import Any

from services.worker.engine_cache import EngineCache
from shared.engines.catalog import Setup


def test_an_engine_is_built_once_and_dropped_when_nothing_used_it_for_a_while(setup: Setup) -> None:
    built: list[str] = []

    def load(slot: str, requested: str | None, machine: Setup) -> Any:
        built.append(slot)
        return object()

    kept = EngineCache(0.3, load)
    with kept.in_use():
        first = kept.load("asr", None, setup)
        time.sleep(0.6)
        assert kept.load("asr", None, setup) is first, "while a stage runs nothing is dropped"
        kept.load("asr", "other", setup)
    assert built == ["asr", "asr"]
    deadline = time.monotonic() + 10
    while len(kept):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with kept.in_use():
        assert kept.load("asr", None, setup) is not first
