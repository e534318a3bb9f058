"""Where webhook endpoints and deliveries are kept: as their tenant sees them, and as the courier works on them."""

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
    """Another tenant's endpoint is NotFound, like one that never was."""

    def add(self, endpoint: WebhookEndpoint) -> None: ...

    def find(self, tenant: str, endpoint_id: str) -> WebhookEndpoint | None: ...

    def list(self, tenant: str) -> tuple[WebhookEndpoint, ...]:
        """Without the callbacks that belong to single jobs."""
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
        """With everything that was sent to it."""
        ...


class DeliveryStore(Protocol):
    """What was sent to a tenant's endpoints."""

    def list(
        self, tenant: str, *, endpoint_id: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Delivery]: ...

    def find(self, tenant: str, delivery_id: str) -> Delivery | None: ...

    def attempts(self, tenant: str, delivery_id: str) -> tuple[Attempt, ...]: ...

    def replay(self, tenant: str, delivery_id: str) -> Delivery:
        """The same id and the same bytes, in a new series; StateConflict while one is still going."""
        ...

    def ping(self, tenant: str, endpoint_id: str) -> Delivery:
        """A `webhook.test`, whatever the endpoint listens to."""
        ...


class Outbox(Protocol):
    """What the courier does, for all tenants together; each call may run anywhere, any time, twice."""

    def any_due(self) -> bool:
        """Whether `fan_out` or `due` could find something; a look that writes nothing and is cheap."""
        ...

    def fan_out(self, *, limit: int = 100) -> int:
        """Turn announcements into one delivery for each endpoint that wants to hear, each exactly once."""
        ...

    def due(self, *, limit: int, lease: timedelta) -> tuple[DueDelivery, ...]:
        """Deliveries to attempt now, in turns between endpoints; nobody else gets them while the lease lasts."""
        ...

    def record(self, outgoing: DueDelivery, attempt: Attempt, outcome: DeliveryOutcome) -> bool:
        """Note an attempt and what it means. False if the lease was lost: then only the log is written."""
        ...

    def disable_failing(self, *, reason: str, after: timedelta, recent: timedelta) -> int:
        """Disable what had no success for that long, with at least one attempt in each of the last two periods."""
        ...

    def delete_before(self, before: datetime) -> int:
        """Delete the log of what ended before."""
        ...
