"""The fixture of a courier."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.infra.database.engine import open_database
from shared.infra.database.keys import SqlKeyStore
from tests.courier.courier_harness import CourierHarness
from tests.service_fakes import MovableClock


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[CourierHarness]:
    # The verifying libraries read the system clock, so this clock starts at the present.
    clock = MovableClock(datetime.fromtimestamp(time.time(), UTC))
    database = open_database(f"sqlite:///{tmp_path / 'undertone.db'}", clock=clock)
    SqlKeyStore(database).ensure_tenant("ours")
    yield CourierHarness(database, clock, tmp_path)
    database.close()
