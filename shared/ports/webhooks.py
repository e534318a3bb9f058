"""Ports for webhook endpoints and deliveries, for tenants and for the courier."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.page import Page
from shared.domain.webhook import (
    Attempt,
    Delivery,
    DeliveryOutcome,
    DueDelivery,
    EncryptedSecret,
    EventType,
    WebhookEndpoint,
)


class EndpointStore(Protocol):
    """A tenant's webhook endpoints; another tenant's endpoint is NotFound, like one that does not exist."""

    def add(self, endpoint: WebhookEndpoint) -> None: ...

    def find(self, tenant: str, endpoint_id: str) -> WebhookEndpoint | None: ...

    def list(self, tenant: str) -> tuple[WebhookEndpoint, ...]:
        """All endpoints except the callbacks of single jobs."""
        ...

    def change(
        self,
        tenant: str,
        endpoint_id: str,
        *,
        url: str | None = None,
        event_types: Iterable[EventType] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> WebhookEndpoint: ...

    def set_secrets(self, tenant: str, endpoint_id: str, secrets: tuple[EncryptedSecret, ...]) -> WebhookEndpoint: ...

    def delete(self, tenant: str, endpoint_id: str) -> None:
        """Delete the endpoint and its deliveries."""
        ...


class DeliveryStore(Protocol):
    """The deliveries to a tenant's endpoints."""

    def list(
        self, tenant: str, *, endpoint_id: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Delivery]: ...

    def find(self, tenant: str, delivery_id: str) -> Delivery | None: ...

    def attempts(self, tenant: str, delivery_id: str) -> tuple[Attempt, ...]: ...

    def replay(self, tenant: str, delivery_id: str) -> Delivery:
        """Send the same id and bytes in a new series; raises StateConflict while a series is still running."""
        ...

    def ping(self, tenant: str, endpoint_id: str) -> Delivery:
        """Send a `webhook.test` event, whatever the endpoint's event types."""
        ...


class Outbox(Protocol):
    """The courier's operations for all tenants; every call may run on any process, at any time, and repeatedly."""

    def any_due(self) -> bool:
        """Whether `fan_out` or `due` could find something; a cheap read-only query."""
        ...

    def fan_out(self, *, limit: int = 100) -> int:
        """Turn each event into exactly one delivery for each subscribed endpoint."""
        ...

    def due(self, *, limit: int, lease: timedelta) -> tuple[DueDelivery, ...]:
        """Deliveries to attempt now, round-robin by endpoint, leased to this caller."""
        ...

    def record(self, outgoing: DueDelivery, attempt: Attempt, outcome: DeliveryOutcome) -> bool:
        """Store an attempt and its outcome. Returns False if the lease was lost; then only the log is written."""
        ...

    def disable_failing(self, *, reason: str, after: timedelta, recent: timedelta) -> int:
        """Disable endpoints without success for `after`, with an attempt in each of the last two `recent` periods."""
        ...

    def delete_before(self, before: datetime) -> int:
        """Delete deliveries that finished before this time, with their log."""
        ...
