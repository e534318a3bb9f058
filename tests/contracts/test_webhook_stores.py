"""Contract tests of webhook stores: one delivery per event and endpoint, leases for attempts, and the delivery log."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from shared.domain.error import NotFound, StateConflict
from shared.domain.webhook import (
    Attempt,
    Delivery,
    DeliveryOutcome,
    DeliveryStatus,
    DueDelivery,
    EncryptedSecret,
    EventType,
    WebhookEndpoint,
)
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.outbox import MAX_PARALLEL_PER_ENDPOINT, SqlOutbox
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.database.work import SqlWorkStore
from tests.contracts.test_database_races import run_concurrently
from tests.service_fakes import MINUTE, ONE_STAGE, MovableClock, held, new_job

DAY = timedelta(days=1)
DONE = DeliveryOutcome(status=DeliveryStatus.DELIVERED)


@pytest.fixture
def endpoints(database: Database) -> SqlEndpointStore:
    return SqlEndpointStore(database)


@pytest.fixture
def deliveries(database: Database) -> SqlDeliveryStore:
    return SqlDeliveryStore(database)


@pytest.fixture
def outbox(database: Database) -> SqlOutbox:
    return SqlOutbox(database)


def endpoint(
    tenant: str = "ours", event_types: set[EventType] | None = None, job_id: str | None = None
) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=uuid4().hex,
        tenant=tenant,
        url="https://hook.example/token",
        event_types=frozenset(EventType if event_types is None else event_types),
        secrets=(EncryptedSecret(ciphertext="encrypted"),),
        job_id=job_id,
        created_at=MovableClock().now,
    )


def add_endpoint(endpoints: SqlEndpointStore, **fields: object) -> WebhookEndpoint:
    made = endpoint(**fields)  # type: ignore[arg-type]
    endpoints.add(made)
    return made


def publish(database: Database, tenant: str = "ours") -> str:
    """Finishes a job, which adds its event to the outbox."""
    job = SqlJobStore(database).add(tenant, new_job(ONE_STAGE))
    work = SqlWorkStore(database)
    work.publish(held(work, job.id, "publish"), seconds=1)
    return job.id


def due(outbox: SqlOutbox, limit: int = 50) -> tuple[DueDelivery, ...]:
    outbox.fan_out()
    return outbox.due(limit=limit, lease=MINUTE)


def attempt(outgoing: DueDelivery, clock: MovableClock, **fields: object) -> Attempt:
    delivery = outgoing.delivery
    return Attempt.model_validate(
        {
            "delivery_id": delivery.id,
            "endpoint_id": delivery.endpoint_id,
            "series": delivery.series,
            "number": delivery.attempts + 1,
            "at": clock.now,
            "seconds": 0.1,
            **fields,
        }
    )


def test_event_is_delivered_once_to_each_subscribed_endpoint(
    endpoints: SqlEndpointStore, outbox: SqlOutbox, database: Database
) -> None:
    job_id = publish(database)
    subscribed = [
        add_endpoint(endpoints),
        add_endpoint(endpoints, event_types={EventType.TRANSCRIPT_READY}),
        add_endpoint(endpoints, job_id=job_id),
    ]
    add_endpoint(endpoints, event_types={EventType.JOB_FAILED})
    add_endpoint(endpoints, job_id="another job")
    add_endpoint(endpoints, tenant="theirs")
    assert sum(run_concurrently(*[outbox.fan_out] * 4)) == 3
    found = outbox.due(limit=50, lease=MINUTE)
    assert {outgoing.endpoint for outgoing in found} == set(subscribed)
    assert len({outgoing.delivery.id for outgoing in found}) == 3
    assert len({outgoing.delivery.body for outgoing in found}) == 1
    assert {outgoing.delivery.job_id for outgoing in found} == {job_id}


def test_any_due_reports_pending_events_and_due_deliveries(
    database: Database, endpoints: SqlEndpointStore, outbox: SqlOutbox, clock: MovableClock
) -> None:
    assert not outbox.any_due()
    add_endpoint(endpoints)
    publish(database)
    assert outbox.any_due(), "an event"
    outbox.fan_out()
    assert outbox.any_due(), "a delivery"
    (taken,) = outbox.due(limit=5, lease=MINUTE)
    assert not outbox.any_due(), "the delivery is leased"
    clock.move(MINUTE)
    assert outbox.any_due()
    (taken,) = outbox.due(limit=5, lease=MINUTE)
    later = DeliveryOutcome(status=DeliveryStatus.PENDING, next_attempt_at=clock.now + MINUTE)
    outbox.record(taken, attempt(taken, clock), later)
    assert not outbox.any_due(), "its next attempt is not due yet"
    clock.move(MINUTE)
    assert outbox.any_due()


def test_leased_delivery_is_not_returned_until_the_lease_expires(
    endpoints: SqlEndpointStore, outbox: SqlOutbox, database: Database, clock: MovableClock
) -> None:
    add_endpoint(endpoints)
    publish(database)
    outbox.fan_out()
    taken = [one for batch in run_concurrently(*[lambda: outbox.due(limit=5, lease=MINUTE)] * 4) for one in batch]
    assert len(taken) == 1
    clock.move(MINUTE)
    (again,) = outbox.due(limit=5, lease=MINUTE)
    assert outbox.record(taken[0], attempt(taken[0], clock), DONE) is False, "the lease has expired"
    assert outbox.record(again, attempt(again, clock), DONE) is True


def test_delivery_log_has_each_attempt_and_its_outcome(
    endpoints: SqlEndpointStore,
    deliveries: SqlDeliveryStore,
    outbox: SqlOutbox,
    database: Database,
    clock: MovableClock,
) -> None:
    add_endpoint(endpoints)
    publish(database)
    (first,) = due(outbox)
    later = clock.now + 5 * MINUTE
    first_attempt = attempt(first, clock, response_status=500, response_body="oh", next_attempt_at=later)
    outbox.record(first, first_attempt, DeliveryOutcome(status=DeliveryStatus.PENDING, next_attempt_at=later))
    assert due(outbox) == ()
    clock.move(5 * MINUTE)
    (second,) = due(outbox)
    assert (second.delivery.id, second.delivery.attempts) == (first.delivery.id, 1)
    second_attempt = attempt(second, clock, error="timeout")
    outbox.record(second, second_attempt, DeliveryOutcome(status=DeliveryStatus.FAILED))
    assert deliveries.attempts("ours", first.delivery.id) == (first_attempt, second_attempt)
    assert deliveries.attempts("theirs", first.delivery.id) == ()
    found = deliveries.find("ours", first.delivery.id)
    assert found is not None
    assert (found.status, found.attempts, found.finished_at) == (DeliveryStatus.FAILED, 2, clock.now)


def deliver_event(outbox: SqlOutbox, database: Database, clock: MovableClock) -> Delivery:
    publish(database)
    (outgoing,) = due(outbox)
    outbox.record(outgoing, attempt(outgoing, clock, response_status=200), DONE)
    return outgoing.delivery


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


def test_rate_limited_endpoint_gets_no_deliveries_until_its_delay_ends(
    endpoints: SqlEndpointStore, outbox: SqlOutbox, database: Database, clock: MovableClock
) -> None:
    add_endpoint(endpoints)
    publish(database)
    (outgoing,) = due(outbox)
    retry_at = clock.now + 10 * MINUTE
    delayed = DeliveryOutcome(status=DeliveryStatus.PENDING, next_attempt_at=retry_at, slow_until=retry_at)
    outbox.record(outgoing, attempt(outgoing, clock, response_status=429), delayed)
    publish(database)
    assert due(outbox) == ()
    clock.move(10 * MINUTE)
    assert len(due(outbox)) == 2


def test_slow_endpoint_does_not_occupy_all_workers(
    endpoints: SqlEndpointStore, outbox: SqlOutbox, database: Database, clock: MovableClock
) -> None:
    slow = add_endpoint(endpoints)
    for _ in range(MAX_PARALLEL_PER_ENDPOINT + 2):
        publish(database)
    quick = add_endpoint(endpoints, tenant="theirs")
    clock.move(MINUTE)
    publish(database, "theirs")
    found = [outgoing.endpoint.id for outgoing in due(outbox)]
    assert (found.count(slow.id), found.count(quick.id)) == (MAX_PARALLEL_PER_ENDPOINT, 1)
    assert due(outbox) == (), "deliveries in progress count towards the limit"


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


def test_old_deliveries_are_deleted_after_the_retention_period(
    endpoints: SqlEndpointStore,
    deliveries: SqlDeliveryStore,
    outbox: SqlOutbox,
    database: Database,
    clock: MovableClock,
) -> None:
    add_endpoint(endpoints)
    callback = add_endpoint(endpoints, job_id="an old job")
    old = deliver_event(outbox, database, clock)
    clock.move(30 * DAY)
    new = deliver_event(outbox, database, clock)
    assert outbox.delete_before(clock.now - DAY) == 1
    assert outbox.delete_before(clock.now - DAY) == 0
    assert [one.id for one in deliveries.list("ours").items] == [new.id]
    assert deliveries.attempts("ours", old.id) == ()
    assert endpoints.find("ours", callback.id) is None


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


def test_erasing_a_job_deletes_its_deliveries_and_pending_events(
    endpoints: SqlEndpointStore,
    deliveries: SqlDeliveryStore,
    outbox: SqlOutbox,
    database: Database,
    clock: MovableClock,
) -> None:
    add_endpoint(endpoints)
    first = publish(database)
    callback = add_endpoint(endpoints, job_id=first)
    outgoing, _other = due(outbox)
    second = publish(database)
    jobs, erasures = SqlJobStore(database), SqlErasureStore(database)
    for job_id in (first, second):
        jobs.erase("ours", job_id, by="k1", reason="requested")
    assert due(outbox) == (), "neither pending deliveries nor events are sent"
    assert outbox.record(outgoing, attempt(outgoing, clock), DONE) is False
    for job_id in (first, second):
        erasures.finish("ours", job_id)
    assert deliveries.list("ours").items == ()
    assert deliveries.attempts("ours", outgoing.delivery.id) == ()
    assert endpoints.find("ours", callback.id) is None
    assert outbox.record(outgoing, attempt(outgoing, clock), DONE) is False
