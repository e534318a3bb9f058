"""Decides what follows an attempt: delivered, a later retry, giving up, or disabling the endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from shared.domain.webhook import DeliveryOutcome, DeliveryStatus

# Delays after the first, immediate attempt: nine more attempts in 75 hours and 35 minutes.
RETRY_SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER = 0.2  # ± this share of each wait, so that deliveries that failed together are not retried together
MAX_RETRY_AFTER = timedelta(hours=24)
HTTP_GONE = 410
BUSY_STATUSES = (429, 502, 503, 504)
BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of an attempt: a status, or the class of its failure."""

    status: int | None = None
    error: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    excerpt: str = ""
    seconds: float = 0.0


def decide_outcome(number: int, at: datetime, result: AttemptResult, chance: float) -> DeliveryOutcome:
    """`number` counts the attempts of this series, `chance` is a random number from 0 to 1."""
    if result.error == BLOCKED:
        return DeliveryOutcome(status=DeliveryStatus.BLOCKED)
    if result.status is not None and 200 <= result.status < 300:
        return DeliveryOutcome(status=DeliveryStatus.DELIVERED)
    if result.status == HTTP_GONE:
        return DeliveryOutcome(status=DeliveryStatus.DROPPED, disable_reason="gone")
    rest = _retry_after(result, at) if result.status in BUSY_STATUSES else None
    following = _next_attempt_at(number, at, chance)
    if following is None:
        return DeliveryOutcome(status=DeliveryStatus.FAILED, slow_until=rest)
    return DeliveryOutcome(
        status=DeliveryStatus.PENDING, next_attempt_at=max(following, rest) if rest else following, slow_until=rest
    )


def _next_attempt_at(number: int, at: datetime, chance: float) -> datetime | None:
    if number > len(RETRY_SCHEDULE):
        return None
    return at + RETRY_SCHEDULE[number - 1] * (1 - JITTER + 2 * JITTER * chance)


def _retry_after(result: AttemptResult, at: datetime) -> datetime | None:
    """Parse Retry-After, in seconds or as a date; None if it is invalid or in the past."""
    text = result.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        rest = timedelta(seconds=min(int(text[:9]), MAX_RETRY_AFTER.total_seconds()))
    else:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        rest = (date if date.tzinfo else date.replace(tzinfo=UTC)) - at
    return at + min(rest, MAX_RETRY_AFTER) if rest > timedelta(0) else None
