"""Converts rows of webhook endpoints, deliveries and attempts to domain objects."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, RowMapping, update

from shared.domain.webhook import Attempt, Delivery, DeliveryStatus, EncryptedSecret, EventType, WebhookEndpoint
from shared.infra.database.schema import deliveries, endpoints

_SECRETS = TypeAdapter(tuple[EncryptedSecret, ...])


def write_secrets(secrets: tuple[EncryptedSecret, ...]) -> str:
    return _SECRETS.dump_json(secrets).decode()


def write_event_types(event_types: Iterable[EventType]) -> str:
    return json.dumps(sorted(event_types))


def read_endpoint(row: RowMapping) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=row["id"],
        tenant=row["tenant"],
        url=row["url"],
        event_types=frozenset(EventType(word) for word in json.loads(row["event_types"])),
        description=row["description"],
        secrets=_SECRETS.validate_json(row["secrets"]),
        job_id=row["job_id"],
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
        disabled_reason=row["disabled_reason"],
    )


def read_delivery(row: RowMapping) -> Delivery:
    return Delivery(
        id=row["id"],
        tenant=row["tenant"],
        endpoint_id=row["endpoint_id"],
        job_id=row["job_id"],
        event_type=EventType(row["event_type"]),
        body=row["body"],
        status=DeliveryStatus(row["status"]),
        series=row["series"],
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )


def read_attempt(row: RowMapping) -> Attempt:
    fields = {name: value for name, value in row.items() if name not in ("id", "tenant")}
    return Attempt.model_validate(fields)


def disable(connection: Connection, endpoint_id: str, reason: str, now: datetime) -> None:
    """Disables an endpoint and drops its pending deliveries, which can be replayed later."""
    connection.execute(
        update(endpoints).where(endpoints.c.id == endpoint_id).values(disabled_at=now, disabled_reason=reason)
    )
    dropped: dict[str, Any] = {"status": DeliveryStatus.DROPPED, "next_attempt_at": None, "finished_at": now}
    connection.execute(
        update(deliveries)
        .where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.status == DeliveryStatus.PENDING)
        .values(**dropped)
    )
