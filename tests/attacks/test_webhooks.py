"""A tenant whose endpoints hang delays only its own webhooks."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from services.courier.deliver import Deliverer
from services.courier.loop import Courier
from services.courier.settings import CourierSettings
from shared.domain.webhook import DeliveryStatus, EventType, WebhookEndpoint
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.engine import Database, open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.outbound import Outbound
from shared.infra.secret_encryption import SecretCipher, new_key
from tests.local_server import serving
from tests.stores import Stores

HANGING_ENDPOINTS = 40
SLOTS = 8
LIMIT_SECONDS = 5.0  # half of the time that one hanging attempt takes


@pytest.fixture
def database(stores: Stores) -> Iterator[Database]:
    made = open_database(stores.database_url)
    for tenant in ("ours", "theirs"):
        SqlKeyStore(made).ensure_tenant(tenant)
    yield made
    made.close()


def add_endpoint(database: Database, tenant: str, name: str, url: str) -> None:
    endpoint = WebhookEndpoint(
        id=name, tenant=tenant, url=url, event_types=frozenset(EventType), secrets=(), created_at=database.now
    )
    SqlEndpointStore(database).add(endpoint)


def test_hanging_endpoints_of_one_tenant_do_not_delay_another(database: Database) -> None:
    deliveries, outbox = SqlDeliveryStore(database), SqlOutbox(database)
    outbound = Outbound(OutboundSettings(_env_file=None), loopback=True)
    deliverer = Deliverer(outbox, outbound, SecretCipher([new_key()]), database.clock)
    settings = CourierSettings(max_parallel=SLOTS, poll_seconds=0.05)
    stop = Event()
    courier = Thread(target=Courier(outbox, deliverer, settings, database.clock).run, args=(stop,))
    with serving() as server, socket.create_server(("127.0.0.1", 0), backlog=256) as silent:
        for number in range(HANGING_ENDPOINTS):
            name = f"hangs{number}"
            add_endpoint(database, "theirs", name, f"http://127.0.0.1:{silent.getsockname()[1]}/{number}")
            deliveries.ping("theirs", name)
        add_endpoint(database, "ours", "answers", server.url)
        courier.start()
        time.sleep(1)  # now they occupy what they can
        began = time.monotonic()
        sent = deliveries.ping("ours", "answers").id
        while time.monotonic() - began < 4 * LIMIT_SECONDS:
            found = deliveries.find("ours", sent)
            if found is not None and found.status is DeliveryStatus.DELIVERED:
                break
            time.sleep(0.02)
        waited = time.monotonic() - began
        stop.set()
        silent.close()  # resets their connections
    courier.join(60)
    assert waited < LIMIT_SECONDS
