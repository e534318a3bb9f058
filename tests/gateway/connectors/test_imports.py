"""Imports survive kills, retry, and give up with a reason; the connector's files come from a local server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.gateway.connectors.connector import Connector, PlatformRecording, RemoteFile
from services.gateway.connectors.downloads import LEASE, Lease
from services.gateway.connectors.imports import DELAYS, Imports
from services.gateway.connectors.settings import ZoomSettings
from services.gateway.connectors.zoom import Zoom
from services.gateway.context import Context, Deployment
from services.gateway.settings import GatewaySettings
from shared.domain.error import Interrupted, LeaseLost
from shared.domain.import_record import ImportRecord
from shared.domain.job_record import JobRecord
from shared.domain.job_request import JobRequest
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.engine import Database, open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.secret_encryption import SecretSettings, new_key
from shared.infra.settings import StorageSettings
from tests.gateway.serving import MP4, MemoryQueue
from tests.local_server import Reply, serving
from tests.service_fakes import MovableClock

OUTBOUND = OutboundSettings(allow=("127.0.0.0/8",), plain_http=True)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(tmp_path: Path, clock: MovableClock) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'u.db'}", clock=clock)
    SqlKeyStore(opened).ensure_tenant("ours")
    yield opened
    opened.close()


def context(database: Database, folder: Path, **settings: Any) -> Context:
    deployment = Deployment(
        gateway=GatewaySettings(**settings),
        storage=StorageSettings(folder=folder / "state", reserve_mb=0),
        outbound=OUTBOUND,
        secrets=SecretSettings(keys=SecretStr(new_key())),
    )
    return Context(deployment, database, MemoryQueue())


@pytest.fixture
def gateway(database: Database, tmp_path: Path) -> Context:
    return context(database, tmp_path)


@pytest.fixture
def connector() -> Connector:
    return Zoom(ZoomSettings(secret_token=SecretStr("s"), tenant="ours"))


def announced(url: str) -> PlatformRecording:
    return PlatformRecording(key="k", mix=RemoteFile(url=f"{url}/a.mp4"))


def jobs(gateway: Context) -> tuple[JobRecord, ...]:
    return gateway.jobs.list("ours").items


def only(gateway: Context) -> ImportRecord:
    (one,) = gateway.imports.list("ours").items
    return one


def test_a_killed_download_is_begun_again_when_its_lease_ends(
    gateway: Context, connector: Connector, clock: MovableClock
) -> None:
    with serving(Reply(body=MP4)) as server:
        Imports(gateway, [connector]).accept(connector, announced(server.url))
        assert gateway.imports.claim(LEASE) is not None, "this process is killed now"
        next_process = Imports(gateway, [connector])
        next_process.run_due()
        assert not jobs(gateway)
        clock.move(LEASE)
        next_process.run_due()
    assert [job.id for job in jobs(gateway)] == [only(gateway).job_id]


def test_a_process_that_was_killed_after_it_created_the_job_does_not_create_another(
    gateway: Context, connector: Connector, clock: MovableClock
) -> None:
    imports = Imports(gateway, [connector])
    with serving(Reply(body=MP4)) as server:
        imports.accept(connector, announced(server.url))
        claim = gateway.imports.claim(LEASE)
        assert claim is not None
        with gateway.intake.receive(imports.caller_of(connector), job_id=claim.lease) as incoming:
            incoming.put_recording("a.mp4", [MP4])
            incoming.submit(JobRequest())
        clock.move(LEASE)
        imports.run_due()
        assert not server.asked
    assert [job.id for job in jobs(gateway)] == [claim.lease] == [only(gateway).job_id]


def test_a_failing_host_is_tried_on_schedule_and_then_given_up(
    gateway: Context, connector: Connector, clock: MovableClock
) -> None:
    imports = Imports(gateway, [connector])
    with serving(Reply(status=503)) as server:
        imports.accept(connector, announced(server.url))
        for number, delay in enumerate((*DELAYS, timedelta(0)), 1):
            imports.run_due()
            assert len(server.asked) == only(gateway).attempts == number
            clock.move(delay - timedelta(seconds=1))
            imports.run_due()
            assert len(server.asked) == number, "it is not due yet"
            clock.move(timedelta(seconds=1))
    assert (only(gateway).status, only(gateway).error, only(gateway).content) == ("failed", "outbound_failed", None)
    assert not jobs(gateway)


def test_a_full_quota_is_tried_again(database: Database, tmp_path: Path, connector: Connector) -> None:
    gateway = context(database, tmp_path, quota_mb=1)
    with serving(Reply(body=MP4 * 100)) as server:
        imports = Imports(gateway, [connector])
        imports.accept(connector, announced(server.url))
        imports.run_due()
    assert (only(gateway).status, only(gateway).error) == ("pending", "quota_exceeded")


def test_a_blocked_address_is_not_tried_again(gateway: Context, connector: Connector) -> None:
    imports = Imports(gateway, [connector])
    imports.accept(connector, announced("http://10.0.0.1"))
    imports.run_due()
    assert (only(gateway).status, only(gateway).error) == ("failed", "address_blocked")


def test_a_stopping_service_leaves_the_import_to_the_next_start(
    gateway: Context, connector: Connector, clock: MovableClock
) -> None:
    imports = Imports(gateway, [connector])
    with serving(Reply(body=MP4)) as server:
        imports.accept(connector, announced(server.url))
        claim = gateway.imports.claim(LEASE)
        assert claim is not None
        lease = Lease(gateway.imports, claim.lease, imports.stopping)
        lease.keep()
        imports.stopping.set()
        with pytest.raises(Interrupted):
            lease.keep()
        imports.run_due()
        clock.move(LEASE)
        Imports(gateway, [connector]).run_due()
    assert len(jobs(gateway)) == 1


def test_an_attempt_whose_lease_was_taken_over_ends(
    gateway: Context, connector: Connector, clock: MovableClock
) -> None:
    imports = Imports(gateway, [connector])
    imports.accept(connector, announced("http://127.0.0.1:9"))
    claim = gateway.imports.claim(LEASE)
    assert claim is not None
    lease = Lease(gateway.imports, claim.lease, imports.stopping)
    lease.renew()
    clock.move(LEASE)
    assert gateway.imports.claim(LEASE) is not None
    with pytest.raises(LeaseLost):
        lease.renew()


def test_imports_of_a_connector_that_is_off_wait(gateway: Context, connector: Connector, clock: MovableClock) -> None:
    with serving(Reply(body=MP4)) as server:
        Imports(gateway, [connector]).accept(connector, announced(server.url))
        Imports(gateway, []).run_due()
        assert (only(gateway).status, only(gateway).attempts, server.asked) == ("pending", 0, [])
        clock.move(DELAYS[0])
        Imports(gateway, [connector]).run_due()
    assert len(jobs(gateway)) == 1
