"""The API's view of a delivery and its attempts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from shared.domain.webhook import Attempt, Delivery, DeliveryStatus, EventType


class AttemptView(BaseModel):
    series: int
    number: int
    at: datetime
    seconds: float
    response_status: int | None = Field(description="The status of the receiver's response")
    error: str | None = Field(description="A class such as timeout, tls, dns or blocked")
    response_body: str = Field(description="The beginning of the receiver's response body")
    next_attempt_at: datetime | None


class DeliveryView(BaseModel):
    id: str = Field(description="The `webhook-id` of every attempt")
    endpoint_id: str
    job_id: str | None
    event_type: EventType
    status: DeliveryStatus
    series: int
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


class DeliveryLog(DeliveryView):
    log: tuple[AttemptView, ...]


class DeliveryPage(BaseModel):
    items: tuple[DeliveryView, ...]
    next_cursor: str | None = None


def delivery_view(delivery: Delivery) -> DeliveryView:
    shown = delivery.model_dump(exclude={"tenant", "body", "event_type"})
    return DeliveryView(**shown, event_type=delivery.event_type)


def delivery_log(delivery: Delivery, attempts: Sequence[Attempt]) -> DeliveryLog:
    log = tuple(AttemptView(**attempt.model_dump(exclude={"delivery_id", "endpoint_id"})) for attempt in attempts)
    return DeliveryLog(**delivery_view(delivery).model_dump(), log=log)
