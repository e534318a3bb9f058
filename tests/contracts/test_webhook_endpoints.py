"""Contract tests of webhook stores: replay, pings, disabled endpoints, the list of deliveries, and tenants."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.error import NotFound, StateConflict
from shared.domain.webhook import (
    DeliveryOutcome,
    DeliveryStatus,
    EncryptedSecret,
    EventType,
)
from shared.infra.database.engine import Database
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from tests.contracts.webhook_builders import DAY, DONE, add_endpoint, attempt, deliver_event, due, publish
from tests.service_fakes import MINUTE, MovableClock


def test_replay_sends_the_same_body_in_a_new_series(
    endpoints: SqlEndpointStore,
    deliveries: SqlDeliveryStore,
    outbox: SqlOutbox,
    database: Database,
    clock: MovableClock,
) -> None:
    hook = add_endpoint(endpoints)
    delivery = deliver_event(outbox, database, clock)
    again = deliveries.replay("ours", delivery.id)
    assert (again.id, again.body) == (delivery.id, delivery.body)
    assert (again.status, again.series, again.attempts) == (DeliveryStatus.PENDING, 2, 0)
    with pytest.raises(StateConflict, match="still pending"):
        deliveries.replay("ours", delivery.id)
    (outgoing,) = due(outbox)
    outbox.record(outgoing, attempt(outgoing, clock, response_status=200), DONE)
    assert [one.series for one in deliveries.attempts("ours", delivery.id)] == [1, 2]
    endpoints.change("ours", hook.id, enabled=False)
    with pytest.raises(StateConflict, match="disabled"):
        deliveries.replay("ours", delivery.id)


def test_ping_is_sent_regardless_of_subscribed_event_types(
    endpoints: SqlEndpointStore, deliveries: SqlDeliveryStore, outbox: SqlOutbox
) -> None:
    hook = add_endpoint(endpoints, event_types=set())
    add_endpoint(endpoints)
    ping = deliveries.ping("ours", hook.id)
    (outgoing,) = due(outbox)
    assert (outgoing.delivery.id, outgoing.endpoint.id) == (ping.id, hook.id)
    assert outgoing.delivery.event_type is EventType.TEST
    endpoints.change("ours", hook.id, enabled=False)
    with pytest.raises(StateConflict, match="disabled"):
        deliveries.ping("ours", hook.id)


def test_disabled_endpoint_drops_deliveries_that_can_be_replayed(
    endpoints: SqlEndpointStore,
    deliveries: SqlDeliveryStore,
    outbox: SqlOutbox,
    database: Database,
    clock: MovableClock,
) -> None:
    hook = add_endpoint(endpoints)
    publish(database)
    publish(database)
    first, second = due(outbox)
    outbox.record(
        first,
        attempt(first, clock, response_status=410),
        DeliveryOutcome(status=DeliveryStatus.DROPPED, disable_reason="gone"),
    )
    publish(database)
    assert due(outbox) == ()
    assert {one.status for one in deliveries.list("ours").items} == {DeliveryStatus.DROPPED}
    assert len(deliveries.list("ours", endpoint_id=hook.id).items) == 3
    found = endpoints.find("ours", hook.id)
    assert found is not None and (found.disabled_at, found.disabled_reason) == (clock.now, "gone")
    assert outbox.record(second, attempt(second, clock, response_status=200), DONE) is False, (
        "the delivery was dropped in the meantime"
    )
    again = endpoints.change("ours", hook.id, enabled=True)
    assert (again.disabled_at, again.disabled_reason) == (None, None)
    deliveries.replay("ours", first.delivery.id)
    assert len(due(outbox)) == 1


def fail_daily(
    endpoints_store: SqlEndpointStore, outbox: SqlOutbox, database: Database, clock: MovableClock, days: int
) -> str:
    hook = add_endpoint(endpoints_store)
    for _ in range(days):
        publish(database)
        for outgoing in due(outbox):
            outbox.record(
                outgoing, attempt(outgoing, clock, response_status=500), DeliveryOutcome(status=DeliveryStatus.FAILED)
            )
        clock.move(DAY)
    return hook.id


def test_endpoint_is_disabled_after_days_without_success(
    endpoints: SqlEndpointStore, outbox: SqlOutbox, database: Database, clock: MovableClock
) -> None:
    def disabled() -> int:
        return outbox.disable_failing(reason="no success", after=5 * DAY, recent=DAY)

    hook = fail_daily(endpoints, outbox, database, clock, 5)
    clock.move(-MINUTE)
    assert disabled() == 0
    clock.move(MINUTE)
    clock.move(-timedelta(seconds=1))
    assert disabled() == 0, "less than five days"
    clock.move(timedelta(seconds=1))
    publish(database)
    (outgoing,) = due(outbox)
    outbox.record(
        outgoing, attempt(outgoing, clock, response_status=500), DeliveryOutcome(status=DeliveryStatus.FAILED)
    )
    assert disabled() == 1
    assert disabled() == 0
    found = endpoints.find("ours", hook)
    assert found is not None and found.disabled_reason == "no success"


def test_endpoint_without_recent_attempts_is_not_disabled_and_success_resets_the_period(
    endpoints: SqlEndpointStore, outbox: SqlOutbox, database: Database, clock: MovableClock
) -> None:
    fail_daily(endpoints, outbox, database, clock, 5)
    clock.move(2 * DAY)
    assert outbox.disable_failing(reason="", after=5 * DAY, recent=DAY) == 0, "there were no recent attempts"
    deliver_event(outbox, database, clock)
    fail_again = due(outbox)
    assert fail_again == ()
    for _ in range(2):
        publish(database)
        (outgoing,) = due(outbox)
        outbox.record(
            outgoing, attempt(outgoing, clock, response_status=500), DeliveryOutcome(status=DeliveryStatus.FAILED)
        )
        clock.move(DAY - MINUTE)
    assert outbox.disable_failing(reason="", after=5 * DAY, recent=DAY) == 0


def test_another_tenants_endpoint_is_reported_as_not_found(
    endpoints: SqlEndpointStore,
    deliveries: SqlDeliveryStore,
    outbox: SqlOutbox,
    database: Database,
    clock: MovableClock,
) -> None:
    hook = add_endpoint(endpoints)
    delivery = deliver_event(outbox, database, clock)
    assert endpoints.find("theirs", hook.id) is None
    assert endpoints.list("theirs") == ()
    assert deliveries.find("theirs", delivery.id) is None
    assert deliveries.list("theirs").items == ()
    for action in (
        lambda: endpoints.change("theirs", hook.id, description="mine"),
        lambda: endpoints.set_secrets("theirs", hook.id, ()),
        lambda: endpoints.delete("theirs", hook.id),
        lambda: deliveries.replay("theirs", delivery.id),
        lambda: deliveries.ping("theirs", hook.id),
    ):
        with pytest.raises(NotFound):
            action()
    assert endpoints.find("ours", hook.id) == hook


def test_endpoint_is_changed_listed_and_deleted_with_its_log(
    endpoints: SqlEndpointStore,
    deliveries: SqlDeliveryStore,
    outbox: SqlOutbox,
    database: Database,
    clock: MovableClock,
) -> None:
    hook = add_endpoint(endpoints)
    add_endpoint(endpoints, job_id="j")
    changed = endpoints.change(
        "ours", hook.id, url="https://new.example/", event_types={EventType.TEST}, description="new"
    )
    assert (changed.url, changed.event_types, changed.description) == (
        "https://new.example/",
        frozenset({EventType.TEST}),
        "new",
    )
    assert endpoints.change("ours", hook.id) == changed
    secrets = (EncryptedSecret(ciphertext="two"), EncryptedSecret(ciphertext="one", expires_at=clock.now))
    assert endpoints.set_secrets("ours", hook.id, secrets).secrets == secrets
    assert [one.id for one in endpoints.list("ours")] == [hook.id], "callbacks of single jobs are not listed"
    ping = deliveries.ping("ours", hook.id)
    (outgoing,) = due(outbox)
    outbox.record(outgoing, attempt(outgoing, clock), DONE)
    endpoints.delete("ours", hook.id)
    assert endpoints.list("ours") == ()
    assert deliveries.attempts("ours", ping.id) == ()
    assert outbox.record(outgoing, attempt(outgoing, clock), DONE) is False


def test_deliveries_are_listed_in_pages(
    endpoints: SqlEndpointStore, deliveries: SqlDeliveryStore, clock: MovableClock
) -> None:
    hook = add_endpoint(endpoints)
    sent = []
    for _ in range(5):
        clock.move(MINUTE)
        sent.append(deliveries.ping("ours", hook.id))
    first = deliveries.list("ours", limit=3)
    second = deliveries.list("ours", limit=3, cursor=first.next_cursor)
    assert [*first.items, *second.items] == sent[::-1]
    assert second.next_cursor is None
