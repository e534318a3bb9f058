"""Fixtures of the tests of weights: a source on 127.0.0.1 that is the only hub and the only package index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.engines.settings import EngineSettings
from tests.engines.weights.sources import Source, serving_files


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    with serving_files() as served:
        for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"{served.url}/simple/")
        yield served


@pytest.fixture
def settings(source: Source, tmp_path: Path) -> EngineSettings:
    return EngineSettings(models_dir=tmp_path / "models", hub_url=source.url)
