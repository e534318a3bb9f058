"""A worker with scripted engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.engines.catalog import Setup
from tests.worker.worker_harness import WorkerHarness


@pytest.fixture
def harness(tmp_path: Path, setup: Setup) -> Iterator[WorkerHarness]:
    made = WorkerHarness.at(tmp_path, setup)
    yield made
    made.database.close()
