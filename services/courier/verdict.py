"""What an attempt means: delivered, again later and when, never again, or the end of its endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from shared.domain.webhook import DeliveryState, Outcome

# After the first attempt, at once: nine more in 75 hours and 35 minutes.
SCHEDULE = (
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
SPREAD = 0.2  # ± so much of each wait, so that what failed together does not come back together
LONGEST_REST = timedelta(hours=24)
GONE = 410
BUSY = (429, 502, 503, 504)
BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt went: a status, or the class of its failure."""

    status: int | None = None
    error: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    excerpt: str = ""
    seconds: float = 0.0


def judge(number: int, at: datetime, result: Result, chance: float) -> Outcome:
    """`number` counts the attempts of this series, `chance` is a random number from 0 to 1."""
    if result.error == BLOCKED:
        return Outcome(state=DeliveryState.BLOCKED)
    if result.status is not None and 200 <= result.status < 300:
        return Outcome(state=DeliveryState.DELIVERED)
    if result.status == GONE:
        return Outcome(state=DeliveryState.DROPPED, disable="gone")
    rest = _asked_rest(result, at) if result.status in BUSY else None
    following = _scheduled(number, at, chance)
    if following is None:
        return Outcome(state=DeliveryState.FAILED, slow_until=rest)
    return Outcome(
        state=DeliveryState.PENDING, next_attempt_at=max(following, rest) if rest else following, slow_until=rest
    )


def _scheduled(number: int, at: datetime, chance: float) -> datetime | None:
    if number > len(SCHEDULE):
        return None
    return at + SCHEDULE[number - 1] * (1 - SPREAD + 2 * SPREAD * chance)


def _asked_rest(result: Result, at: datetime) -> datetime | None:
    """Retry-After, in seconds or as a date; what cannot be read or lies behind us asks for nothing."""
    text = result.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        rest = timedelta(seconds=min(int(text[:9]), LONGEST_REST.total_seconds()))
    else:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        rest = (date if date.tzinfo else date.replace(tzinfo=UTC)) - at
    return at + min(rest, LONGEST_REST) if rest > timedelta(0) else None
