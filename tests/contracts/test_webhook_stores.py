"""Contract tests of webhook stores: one delivery per event and endpoint, leases for attempts, and the delivery log."""

from __future__ import annotations

from shared.domain.webhook import (
    DeliveryOutcome,
    DeliveryStatus,
    EventType,
)
from shared.infra.database.delivery_order import MAX_PARALLEL_PER_ENDPOINT
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from tests.contracts.test_database_races import run_concurrently
from tests.contracts.webhook_builders import DAY, DONE, add_endpoint, attempt, deliver_event, due, publish
from tests.service_fakes import MINUTE, MovableClock


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
    found = outbox.due(limit=50, lease=MINUTE, slots=100)
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
    (taken,) = outbox.due(limit=5, lease=MINUTE, slots=100)
    assert not outbox.any_due(), "the delivery is leased"
    clock.move(MINUTE)
    assert outbox.any_due()
    (taken,) = outbox.due(limit=5, lease=MINUTE, slots=100)
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
    taken = [
        one for batch in run_concurrently(*[lambda: outbox.due(limit=5, lease=MINUTE, slots=100)] * 4) for one in batch
    ]
    assert len(taken) == 1
    clock.move(MINUTE)
    (again,) = outbox.due(limit=5, lease=MINUTE, slots=100)
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
