"""The fixture of a dispatcher."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.infra.database.engine import open_database
from shared.infra.database.keys import SqlKeyStore
from tests.dispatcher.dispatcher_harness import DispatcherHarness
from tests.service_fakes import MovableClock


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[DispatcherHarness]:
    clock = MovableClock()
    database = open_database(f"sqlite:///{tmp_path / 'undertone.db'}", clock=clock)
    for tenant in ("ours", "theirs"):
        SqlKeyStore(database).ensure_tenant(tenant)
    yield DispatcherHarness(database, clock, tmp_path)
    database.close()
