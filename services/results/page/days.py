"""Days in forms, as times of the API."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from shared.domain.error import InvalidRequest


def day(text: str, *, after: int = 0) -> datetime | None:
    """The beginning of the day in UTC, or that of some days after it; None if the field is empty."""
    if not text.strip():
        return None
    try:
        return datetime.combine(date.fromisoformat(text.strip()) + timedelta(days=after), time(), UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest("That is not a date.", hint="Write it as 2026-11-02.") from None
