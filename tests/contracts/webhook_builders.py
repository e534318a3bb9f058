"""Builders for the contract tests of webhook stores."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

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
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.webhooks import SqlEndpointStore
from shared.infra.database.work import SqlWorkStore
from tests.service_fakes import MINUTE, ONE_STAGE, MovableClock, held, new_job

DAY = timedelta(days=1)
DONE = DeliveryOutcome(status=DeliveryStatus.DELIVERED)


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
    return outbox.due(limit=limit, lease=MINUTE, slots=100)


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


def deliver_event(outbox: SqlOutbox, database: Database, clock: MovableClock) -> Delivery:
    publish(database)
    (outgoing,) = due(outbox)
    outbox.record(outgoing, attempt(outgoing, clock, response_status=200), DONE)
    return outgoing.delivery
