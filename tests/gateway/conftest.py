"""Fixtures: a gateway on a real socket with a SQLite database, file blobs and a queue in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from services.gateway.app import gateway_service
from services.gateway.connectors.settings import ConnectorsSettings
from services.gateway.context import Context, Deployment
from services.gateway.settings import GatewaySettings
from shared.domain.tenant import Scope
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.engine import open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.secret_encryption import SecretSettings, new_key
from shared.infra.settings import GovernanceSettings, StorageSettings
from shared.infra.telemetry import NULL_TRACER, Tracer
from shared.infra.web.application import create_application
from tests.gateway.serving import Gateway, MemoryQueue, running
from tests.stores import Stores

LOCAL: dict[str, Any] = {"allow": ("127.0.0.0/8",), "plain_http": True}
Open = Callable[..., AbstractContextManager[Gateway]]


@pytest.fixture
def opened(stores: Stores) -> Open:
    """Return a factory of gateways with the settings of the test."""

    @contextmanager
    def open_one(
        *,
        governance: dict[str, Any] | None = None,
        outbound: dict[str, Any] | None = None,
        storage: dict[str, Any] | None = None,
        connectors: ConnectorsSettings | None = None,
        tracer: Tracer = NULL_TRACER,
        **settings: Any,
    ) -> Iterator[Gateway]:
        deployment = Deployment(
            gateway=GatewaySettings(**{"port": 0, "events_poll_seconds": 0.05, **settings}),
            storage=StorageSettings(**(stores.settings | {"reserve_mb": 1} | (storage or {}))),
            governance=GovernanceSettings(**(governance or {})),
            outbound=OutboundSettings(**(LOCAL if outbound is None else outbound)),
            secrets=SecretSettings(keys=SecretStr(new_key())),
            redis=RedisSettings(),
            queue=QueueSettings(),
            connectors=connectors or ConnectorsSettings(),
        )
        database = open_database(stores.database_url)
        keys = SqlKeyStore(database)
        texts = {}
        for tenant, scopes in (
            ("ours", set(Scope)),
            ("theirs", set(Scope) - {Scope.ADMIN}),
            ("readers", {Scope.EMOTIONS_READ}),
        ):
            keys.ensure_tenant(tenant)
            texts[tenant], key = make_key(tenant, scopes, database.now)
            keys.add(key)
        queue = MemoryQueue()
        context = Context(deployment, database, queue)
        app = create_application([gateway_service(context)], deployment.gateway, database, tracer=tracer)
        with running(app) as address:
            yield Gateway(
                url=address,
                app=app,
                context=context,
                database=database,
                keys=texts,
                queue=queue,
                folder=stores.folder,
            )
        database.close()

    return open_one


@pytest.fixture
def gateway(opened: Open) -> Iterator[Gateway]:
    with opened() as one:
        yield one


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client("ours") as one:
        yield one


@pytest.fixture
def stranger(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client("theirs") as one:
        yield one
