"""Fixtures of the contract tests: SQLite and a folder, and PostgreSQL and S3 if servers are configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.domain.job_record import JobRecord
from shared.infra.database.engine import Database, open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import MovableClock, new_job
from tests.stores import Stores, postgres_schema, s3_bucket


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database for one test."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'undertone.db'}"
        return
    with postgres_schema() as url:
        yield url


@pytest.fixture(params=["folder", "s3"])
def stores(request: pytest.FixtureRequest, address: str, tmp_path: Path) -> Iterator[Stores]:
    """Each database with a folder, and with a bucket."""
    with ExitStack() as after:
        bucket = after.enter_context(s3_bucket()) if request.param == "s3" else {}
        yield Stores(tmp_path, address, bucket)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(address: str, clock: MovableClock) -> Iterator[Database]:
    opened = open_database(address, clock=clock)
    for tenant in ("ours", "theirs"):
        SqlKeyStore(opened).ensure_tenant(tenant)
    yield opened
    opened.close()


@pytest.fixture
def jobs(database: Database) -> SqlJobStore:
    return SqlJobStore(database)


@pytest.fixture
def work(database: Database) -> SqlWorkStore:
    return SqlWorkStore(database, public_url="https://our.example")


@pytest.fixture
def queue(database: Database) -> SqlWorkQueue:
    return SqlWorkQueue(database)


@pytest.fixture
def job(jobs: SqlJobStore) -> JobRecord:
    return jobs.add("ours", new_job(metadata={"meeting": 7}))


@pytest.fixture
def endpoints(database: Database) -> SqlEndpointStore:
    return SqlEndpointStore(database)


@pytest.fixture
def deliveries(database: Database) -> SqlDeliveryStore:
    return SqlDeliveryStore(database)


@pytest.fixture
def outbox(database: Database) -> SqlOutbox:
    return SqlOutbox(database)
