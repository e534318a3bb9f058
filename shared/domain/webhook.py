"""Webhooks: endpoints, events, deliveries and attempts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import Field

from shared.domain.job_record import JobRecord, JobStatus
from shared.domain.value import Value


class EventType(StrEnum):
    TRANSCRIPT_READY = "transcript.ready"
    JOB_FAILED = "job.failed"
    TEST = "webhook.test"


class PayloadFormat(StrEnum):
    """The body that an endpoint expects: our event, or what a compatible API sends."""

    EVENT = "event"
    ASSEMBLYAI = "assemblyai"
    DEEPGRAM = "deepgram"
    DEEPGRAM_PUT = "deepgram_put"  # the same, sent by PUT
    HUME = "hume"

    @property
    def has_transcript(self) -> bool:
        """The gateway makes these deliveries, no event does: the courier reads no transcripts."""
        return self in (PayloadFormat.DEEPGRAM, PayloadFormat.DEEPGRAM_PUT, PayloadFormat.HUME)

    @property
    def method(self) -> str:
        return "PUT" if self is PayloadFormat.DEEPGRAM_PUT else "POST"


class EncryptedSecret(Value):
    """An encrypted signing secret; after a rotation the old one still signs until it expires."""

    ciphertext: str = Field(repr=False)
    expires_at: datetime | None = None


class WebhookEndpoint(Value):
    id: str
    tenant: str
    url: str = Field(repr=False)  # may contain a token of the receiver
    event_types: frozenset[EventType]
    description: str = ""
    secrets: tuple[EncryptedSecret, ...] = ()  # the newest first
    job_id: str | None = None  # set for a callback that belongs to one job
    payload: PayloadFormat = PayloadFormat.EVENT
    template: str | None = Field(default=None, repr=False)  # JSON that replaces the event as the body
    header: str | None = Field(default=None, repr=False)  # `name: value`, encrypted; the client's proof of origin
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_reason: str | None = None

    def signing_secrets(self, now: datetime) -> tuple[str, ...]:
        """The encrypted secrets that are valid at this time, newest first."""
        return tuple(
            secret.ciphertext for secret in self.secrets if secret.expires_at is None or now < secret.expires_at
        )


class WebhookEvent(Value):
    """An event, serialized once, so that every attempt sends exactly the signed bytes."""

    event_type: EventType
    body: bytes


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # the last scheduled attempt failed
    BLOCKED = "blocked"  # the address is blocked; no retry
    DROPPED = "dropped"  # the endpoint was disabled


class Delivery(Value):
    """One event for one endpoint; receivers deduplicate by its id, so replays keep it."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]+$")  # no dot: the signed content is separated by dots
    tenant: str
    endpoint_id: str
    job_id: str | None
    event_type: EventType
    body: bytes = Field(repr=False)
    status: DeliveryStatus
    series: int = Field(default=1, ge=1)  # a replay starts a new series
    attempts: int = Field(default=0, ge=0)  # within the series
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None = None


class Attempt(Value):
    """One delivery attempt, as stored in the log."""

    delivery_id: str
    endpoint_id: str
    series: int
    number: int = Field(ge=1)
    at: datetime
    seconds: float = Field(ge=0)
    response_status: int | None = None
    error: str | None = None  # a class such as timeout, tls, dns, blocked; never an internal address
    response_body: str = Field(default="", repr=False)
    next_attempt_at: datetime | None = None


class DueDelivery(Value):
    """A delivery that is due, with its current endpoint; `lease` rejects results of a courier that was too slow."""

    delivery: Delivery
    endpoint: WebhookEndpoint
    lease: str


class DeliveryOutcome(Value):
    """The consequences of an attempt for the delivery and for the endpoint."""

    status: DeliveryStatus
    next_attempt_at: datetime | None = None
    disable_reason: str | None = None  # set if the endpoint must be disabled
    slow_until: datetime | None = None  # the receiver requested a delay, which applies to its other deliveries too


def build_event(event_type: EventType, at: datetime, data: dict[str, object]) -> WebhookEvent:
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = json.dumps({"type": event_type, "timestamp": stamp, "data": data}, ensure_ascii=False, separators=(",", ":"))
    return WebhookEvent(event_type=event_type, body=body.encode())


def job_ended_event(record: JobRecord, at: datetime, public_url: str = "") -> WebhookEvent:
    """The event for the end of a job: ids, codes and the client's metadata; no transcript text, no emotion."""
    data: dict[str, object] = {"job_id": record.id, "status": record.status, "metadata": dict(record.metadata)}
    if record.error is not None:
        data["error"] = {"code": record.error.code, "stage": record.error.stage}
        return build_event(EventType.JOB_FAILED, at, data)
    data["transcript_url"] = f"{public_url}/v1/transcripts/{record.id}"
    return build_event(EventType.TRANSCRIPT_READY, at, data)


def payload_of(event: bytes, payload: PayloadFormat) -> bytes:
    """The body of a delivery, from the body of the event that ended a job."""
    if payload is PayloadFormat.EVENT:
        return event
    data = json.loads(event)["data"]
    status = "completed" if data["status"] == JobStatus.DONE else "error"
    return json.dumps({"transcript_id": data["job_id"], "status": status}).encode()


def rotate_secrets(
    secrets: Sequence[EncryptedSecret], ciphertext: str, now: datetime, old_until: datetime
) -> tuple[EncryptedSecret, ...]:
    """The new secret first, then the still valid ones, which expire at `old_until` at the latest."""
    still_valid = [
        EncryptedSecret(ciphertext=old.ciphertext, expires_at=min(old_until, old.expires_at or old_until))
        for old in secrets
        if old.expires_at is None or now < old.expires_at
    ]
    return (EncryptedSecret(ciphertext=ciphertext), *still_valid)
