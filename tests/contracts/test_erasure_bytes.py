"""What PostgreSQL's files contain of an erased job after the maintenance that docs/operations.md describes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from shared.engines.catalog import Setup
from tests.attacks.test_erasure import erase, finished, found
from tests.stores import MAINTENANCE, POSTGRES_DATA


@pytest.mark.skipif(POSTGRES_DATA not in os.environ, reason=f"no data folder of PostgreSQL (set {POSTGRES_DATA})")
@pytest.mark.parametrize("address", ["postgres"], indirect=True)
def test_no_byte_of_an_erased_job_remains_after_maintenance(address: str, tmp_path: Path, setup: Setup) -> None:
    folder = Path(os.environ[POSTGRES_DATA])
    engine = create_engine(make_url(address).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    harness, job_id = finished(tmp_path, setup, address)
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")  # autovacuum stores values of columns at any time
        connection.exec_driver_sql("CHECKPOINT")
        assert found(folder), "the words are stored before"
        erase(harness, job_id)
        for statement in MAINTENANCE:
            connection.exec_driver_sql(statement)
    engine.dispose()
    harness.database.close()
    assert found(folder) == set()
    assert found(tmp_path) == set()
