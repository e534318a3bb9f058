"""Database fixtures of the contract tests: SQLite in a file, and PostgreSQL if a server is configured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from shared.domain.job_record import JobRecord
from shared.infra.database.engine import Database, open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import MovableClock, new_job

POSTGRES = "UNDERTONE_TEST_POSTGRES"


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database for one test."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'undertone.db'}"
        return
    if POSTGRES not in os.environ:
        pytest.skip(f"no PostgreSQL server (set {POSTGRES}=postgresql://user:password@host/database)")
    url = make_url(os.environ[POSTGRES])
    schema = f"test_{uuid4().hex}"
    admin = create_engine(url.set(drivername="postgresql+psycopg"))
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield url.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    with admin.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    admin.dispose()


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
