"""Ports for webhook endpoints and deliveries, for tenants and for the courier."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from shared.domain.page import Page
from shared.domain.webhook import (
    Attempt,
    Delivery,
    EncryptedSecret,
    EventType,
    WebhookEndpoint,
)


class EndpointStore(Protocol):
    def add(self, endpoint: WebhookEndpoint) -> None: ...

    def find(self, tenant: str, endpoint_id: str) -> WebhookEndpoint | None: ...

    def list(self, tenant: str) -> tuple[WebhookEndpoint, ...]: ...

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

    def delete(self, tenant: str, endpoint_id: str) -> None: ...


class DeliveryStore(Protocol):
    def list(
        self, tenant: str, *, endpoint_id: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Delivery]: ...

    def find(self, tenant: str, delivery_id: str) -> Delivery | None: ...

    def attempts(self, tenant: str, delivery_id: str) -> tuple[Attempt, ...]: ...

    def replay(self, tenant: str, delivery_id: str) -> Delivery: ...

    def ping(self, tenant: str, endpoint_id: str) -> Delivery: ...
