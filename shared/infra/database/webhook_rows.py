"""Converts rows of webhook endpoints, deliveries and attempts to domain objects."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, RowMapping, update

from shared.domain.webhook import DeliveryStatus, EncryptedSecret, EventType, WebhookEndpoint
from shared.infra.database.rows import read_row
from shared.infra.database.schema import deliveries, endpoints

_SECRETS = TypeAdapter(tuple[EncryptedSecret, ...])


def write_secrets(secrets: tuple[EncryptedSecret, ...]) -> str:
    return _SECRETS.dump_json(secrets).decode()


def write_event_types(event_types: Iterable[EventType]) -> str:
    return json.dumps(sorted(event_types))


def read_endpoint(row: RowMapping) -> WebhookEndpoint:
    return read_row(
        WebhookEndpoint,
        row,
        event_types=json.loads(row["event_types"]),
        secrets=_SECRETS.validate_json(row["secrets"]),
    )


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
