"""Tenants share the slots of the courier, and slow endpoints have a part of them."""

from __future__ import annotations

from shared.domain.webhook import DeliveryOutcome, DeliveryStatus
from shared.infra.database.delivery_order import SLOW_FOR, SLOW_SECONDS
from shared.infra.database.engine import Database
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.webhooks import SqlEndpointStore
from tests.contracts.webhook_builders import add_endpoint, attempt, publish
from tests.service_fakes import MINUTE, MovableClock


def test_a_tenant_gets_half_of_the_slots_and_the_others_come_first(
    database: Database, endpoints: SqlEndpointStore, outbox: SqlOutbox
) -> None:
    for _ in range(12):
        add_endpoint(endpoints, tenant="theirs")
    publish(database, "theirs")
    outbox.fan_out()
    taken = outbox.due(limit=8, lease=MINUTE, slots=8)
    assert [one.delivery.tenant for one in taken] == ["theirs"] * 4
    add_endpoint(endpoints)
    publish(database)
    outbox.fan_out()
    assert [one.delivery.tenant for one in outbox.due(limit=4, lease=MINUTE, slots=8)] == ["ours"]
    assert outbox.due(limit=4, lease=MINUTE, slots=8) == (), "the share is in use"


def test_slow_endpoints_use_a_quarter_of_the_slots_for_some_time(
    database: Database, endpoints: SqlEndpointStore, outbox: SqlOutbox, clock: MovableClock
) -> None:
    slow = {add_endpoint(endpoints).id for _ in range(6)}
    publish(database)
    outbox.fan_out()
    for one in outbox.due(limit=50, lease=MINUTE, slots=100):
        outcome = DeliveryOutcome(status=DeliveryStatus.DELIVERED)
        outbox.record(one, attempt(one, clock, seconds=SLOW_SECONDS + 1, response_status=200), outcome)
    quick = {add_endpoint(endpoints).id for _ in range(2)}
    publish(database)
    outbox.fan_out()
    taken = [one.endpoint.id for one in outbox.due(limit=8, lease=MINUTE, slots=8)]
    assert set(taken[:2]) == quick and len(slow & set(taken)) == 2 and len(taken) == 4
    clock.move(SLOW_FOR)
    assert len(outbox.due(limit=8, lease=MINUTE, slots=16)) == 8, "the leases ended, and all are quick again"
