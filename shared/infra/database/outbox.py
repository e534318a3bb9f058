"""Stores webhook events, deliveries and attempts in the database for the courier."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from shared.domain.webhook import (
    Attempt,
    Delivery,
    DeliveryOutcome,
    DeliveryStatus,
    DueDelivery,
    EventType,
    WebhookEndpoint,
    payload_of,
)
from shared.domain.webhook_template import fill_template
from shared.infra.database.delivery_order import due_deliveries, not_leased
from shared.infra.database.engine import Database
from shared.infra.database.rows import read_row
from shared.infra.database.schema import attempts, deliveries, endpoints, outbox
from shared.infra.database.webhook_rows import disable, read_endpoint
from shared.infra.database.webhooks import delivery_id


class SqlOutbox:
    """The courier's operations for all tenants; every call may run on any process, at any time, and repeatedly."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def any_due(self) -> bool:
        """Whether `fan_out` or `due` could find something; a cheap read-only query."""
        now = self._database.now
        pending_events = exists().where(outbox.c.fanned_out_at.is_(None))
        pending_deliveries = exists().where(
            deliveries.c.status == DeliveryStatus.PENDING, deliveries.c.next_attempt_at <= now, not_leased(now)
        )
        with self._database.reading() as connection:
            return bool(connection.execute(select(or_(pending_events, pending_deliveries))).scalar_one())

    def fan_out(self, *, limit: int = 100) -> int:
        """Turn each event into exactly one delivery for each subscribed endpoint."""
        query = select(outbox).where(outbox.c.fanned_out_at.is_(None)).order_by(outbox.c.created_at).limit(limit)
        now = self._database.now
        with self._database.writing() as connection:
            events = connection.execute(query.with_for_update(skip_locked=True)).mappings().all()
            made = sum(_create_deliveries(connection, event, now) for event in events)
            done = [event["id"] for event in events]
            connection.execute(update(outbox).where(outbox.c.id.in_(done)).values(fanned_out_at=now))
            return made

    def due(self, *, limit: int, lease: timedelta, slots: int) -> tuple[DueDelivery, ...]:
        """Deliveries to attempt now, leased to this caller, which can make `slots` attempts at the same time."""
        now = self._database.now
        with self._database.writing_exclusively("deliveries") as connection:
            found = connection.execute(due_deliveries(now, slots).limit(limit)).scalars().all()
            return tuple(_lease(connection, one, now + lease) for one in found)

    def record(self, outgoing: DueDelivery, attempt: Attempt, outcome: DeliveryOutcome) -> bool:
        """Store an attempt and its outcome. Returns False if the lease was lost; then only the log is written."""
        delivery = outgoing.delivery
        at_endpoint = endpoints.c.id == delivery.endpoint_id
        with self._database.writing() as connection:
            # Always lock the endpoint before the delivery, in the same order as disabling, to avoid deadlocks.
            endpoint = connection.execute(select(endpoints).where(at_endpoint).with_for_update()).mappings().first()
            query = select(deliveries).where(deliveries.c.id == delivery.id).with_for_update()
            row = connection.execute(query).mappings().first()
            if endpoint is None or row is None:
                return False  # erased in the meantime: do not write anything about it
            log = attempt.model_dump() | {"id": uuid4().hex, "tenant": delivery.tenant}
            connection.execute(insert(attempts).values(**log))
            connection.execute(update(endpoints).where(at_endpoint).values(**_health(endpoint, attempt, outcome)))
            lease_valid: bool = row["status"] == DeliveryStatus.PENDING and row["lease"] == outgoing.lease
            if lease_valid:
                ended = None if outcome.status is DeliveryStatus.PENDING else self._database.now
                changes: dict[str, Any] = {"status": outcome.status, "attempts": attempt.number, "finished_at": ended}
                changes |= {"next_attempt_at": outcome.next_attempt_at, "lease": None, "lease_until": None}
                connection.execute(update(deliveries).where(deliveries.c.id == delivery.id).values(**changes))
            if outcome.disable_reason is not None and endpoint["disabled_at"] is None:
                disable(connection, delivery.endpoint_id, outcome.disable_reason, self._database.now)
            return lease_valid

    def disable_failing(self, *, reason: str, after: timedelta, recent: timedelta) -> int:
        """Disable endpoints without success for `after`, with an attempt in each of the last two `recent` periods."""
        now = self._database.now

        def tried(since: datetime, until: datetime) -> Any:
            return exists().where(
                and_(attempts.c.endpoint_id == endpoints.c.id, attempts.c.at > since, attempts.c.at <= until)
            )

        query = select(endpoints.c.id).where(
            endpoints.c.disabled_at.is_(None),
            endpoints.c.failing_since <= now - after,
            tried(now - recent, now),
            tried(now - 2 * recent, now - recent),
        )
        with self._database.writing() as connection:
            failing = connection.execute(query.with_for_update()).scalars().all()
            for endpoint in failing:
                disable(connection, endpoint, reason, now)
            return len(failing)

    def delete_before(self, before: datetime) -> int:
        """Delete deliveries that finished before this time, with their log."""
        old = select(deliveries.c.id).where(deliveries.c.finished_at < before)
        unused = ~exists().where(deliveries.c.endpoint_id == endpoints.c.id)
        with self._database.writing() as connection:
            connection.execute(delete(attempts).where(or_(attempts.c.at < before, attempts.c.delivery_id.in_(old))))
            deleted = connection.execute(delete(deliveries).where(deliveries.c.finished_at < before)).rowcount
            connection.execute(delete(outbox).where(outbox.c.fanned_out_at < before))
            connection.execute(
                delete(endpoints).where(endpoints.c.job_id.is_not(None), endpoints.c.created_at < before, unused)
            )
            return deleted


def _create_deliveries(connection: Connection, event: RowMapping, now: datetime) -> int:
    """Creates a delivery for each subscribed endpoint; for a disabled endpoint it is dropped and can be replayed."""
    candidates = select(endpoints).where(
        endpoints.c.tenant == event["tenant"],
        or_(endpoints.c.job_id.is_(None), endpoints.c.job_id == event["job_id"]),
    )
    subscribed = [
        endpoint
        for endpoint in map(read_endpoint, connection.execute(candidates).mappings())
        if EventType(event["event_type"]) in endpoint.event_types and not endpoint.payload.has_transcript
    ]
    rows = [
        {
            "id": delivery_id(),
            "tenant": event["tenant"],
            "endpoint_id": endpoint.id,
            "event_id": event["id"],
            "job_id": event["job_id"],
            "event_type": event["event_type"],
            "body": _body(event["body"], endpoint),
            "status": DeliveryStatus.DROPPED if endpoint.disabled_at else DeliveryStatus.PENDING,
            "series": 1,
            "attempts": 0,
            "next_attempt_at": None if endpoint.disabled_at else now,
            "created_at": now,
            "finished_at": now if endpoint.disabled_at else None,
        }
        for endpoint in subscribed
    ]
    if rows:
        connection.execute(insert(deliveries), rows)
    return len(rows)


def _body(event: bytes, endpoint: WebhookEndpoint) -> bytes:
    return payload_of(event, endpoint.payload) if endpoint.template is None else fill_template(endpoint.template, event)


def _lease(connection: Connection, delivery: str, until: datetime) -> DueDelivery:
    lease = uuid4().hex
    own = deliveries.c.id == delivery
    connection.execute(update(deliveries).where(own).values(lease=lease, lease_until=until))
    row = connection.execute(select(deliveries).where(own)).mappings().one()
    endpoint = connection.execute(select(endpoints).where(endpoints.c.id == row["endpoint_id"])).mappings().one()
    return DueDelivery(delivery=read_row(Delivery, row), endpoint=read_endpoint(endpoint), lease=lease)


def _health(endpoint: RowMapping, attempt: Attempt, outcome: DeliveryOutcome) -> dict[str, Any]:
    if outcome.status is DeliveryStatus.DELIVERED:
        return {"failing_since": None, "slow_until": None}
    return {
        "failing_since": endpoint["failing_since"] or attempt.at,
        "slow_until": outcome.slow_until or endpoint["slow_until"],
    }
