from __future__ import annotations

import time
from typing import Any

from services.worker.engine_cache import EngineCache
from shared.engines.catalog import ASR, Setup, Slot


def test_an_engine_is_loaded_once_and_unloaded_when_idle(setup: Setup) -> None:
    built: list[str] = []

    def load(slot: Slot[Any], requested: str | None, machine: Setup) -> Any:
        built.append(slot.name)
        return object()

    cache = EngineCache(0.3, load)
    with cache.in_use():
        first = cache.load(ASR, None, setup)
        time.sleep(0.6)
        assert cache.load(ASR, None, setup) is first, "no engine is unloaded while a stage runs"
        cache.load(ASR, "other", setup)
    assert built == ["asr", "asr"]
    deadline = time.monotonic() + 10
    while len(cache):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with cache.in_use():
        assert cache.load(ASR, None, setup) is not first


def test_new_weights_are_used_without_a_restart(setup: Setup) -> None:
    def load(slot: Slot[Any], requested: str | None, machine: Setup) -> Any:
        return object()

    cache = EngineCache(600, load)
    with cache.in_use():
        first = cache.load(ASR, None, setup)
        assert cache.load(ASR, None, setup) is first
        (setup.engines.models_dir / "faster-whisper-base").mkdir(parents=True)
        second = cache.load(ASR, None, setup)
        assert second is not first
        assert cache.load(ASR, None, setup) is second
