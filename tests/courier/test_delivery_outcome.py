"""The outcome of each kind of response for its delivery and its endpoint, as the API documents it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.courier.delivery_outcome import RETRY_SCHEDULE, AttemptResult, decide_outcome
from shared.domain.webhook import DeliveryOutcome, DeliveryStatus

AT = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
MIDDLE = 0.5


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    assert decide_outcome(1, AT, AttemptResult(status=status), MIDDLE) == DeliveryOutcome(
        status=DeliveryStatus.DELIVERED
    )


@pytest.mark.parametrize(
    "result",
    [AttemptResult(status=status) for status in (199, 301, 302, 400, 401, 404, 429, 500, 503)]
    + [AttemptResult(error=reason) for reason in ("timeout", "tls", "dns", "connect", "protocol")],
)
def test_a_failed_attempt_is_retried_by_the_schedule(result: AttemptResult) -> None:
    assert decide_outcome(1, AT, result, MIDDLE) == DeliveryOutcome(
        status=DeliveryStatus.PENDING, next_attempt_at=after(5)
    )
    assert decide_outcome(2, AT, result, MIDDLE).next_attempt_at == after(300)
    assert decide_outcome(10, AT, result, MIDDLE) == DeliveryOutcome(status=DeliveryStatus.FAILED)


def test_ten_attempts_take_75_hours_and_35_minutes() -> None:
    assert len(RETRY_SCHEDULE) == 9
    assert sum(RETRY_SCHEDULE, timedelta(0)) == timedelta(hours=75, minutes=35, seconds=5)


@given(st.integers(1, 9), st.floats(0, 1))
def test_each_delay_has_a_jitter_of_a_fifth(number: int, chance: float) -> None:
    again = decide_outcome(number, AT, AttemptResult(status=500), chance).next_attempt_at
    assert again is not None
    assert 0.8 * RETRY_SCHEDULE[number - 1] <= again - AT <= 1.2 * RETRY_SCHEDULE[number - 1]


def test_status_410_disables_the_endpoint() -> None:
    assert decide_outcome(1, AT, AttemptResult(status=410), MIDDLE) == DeliveryOutcome(
        status=DeliveryStatus.DROPPED, disable_reason="gone"
    )


def test_a_blocked_address_is_not_retried() -> None:
    assert decide_outcome(1, AT, AttemptResult(error="blocked"), MIDDLE) == DeliveryOutcome(
        status=DeliveryStatus.BLOCKED
    )


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("retry_after", "delay"),
    [
        ("60", 60),
        (" 60 ", 60),
        (format_datetime(AT + timedelta(seconds=60), usegmt=True), 60),
        ("Mon, 02 Nov 2026 12:01:00 -0000", 60),
        ("999999999999999999999", 86400),
        (format_datetime(AT + timedelta(days=9), usegmt=True), 86400),
    ],
)
def test_retry_after_delays_the_next_attempt(status: int, retry_after: str, delay: float) -> None:
    outcome = decide_outcome(1, AT, AttemptResult(status=status, headers={"retry-after": retry_after}), MIDDLE)
    assert outcome.next_attempt_at == outcome.slow_until == after(delay)


def test_retry_after_is_never_earlier_than_the_schedule() -> None:
    outcome = decide_outcome(2, AT, AttemptResult(status=503, headers={"retry-after": "1"}), MIDDLE)
    assert (outcome.next_attempt_at, outcome.slow_until) == (after(300), after(1))
    last = decide_outcome(10, AT, AttemptResult(status=503, headers={"retry-after": "60"}), MIDDLE)
    assert last == DeliveryOutcome(status=DeliveryStatus.FAILED, slow_until=after(60)), (
        "the endpoint's other deliveries wait too"
    )


@pytest.mark.parametrize(
    "retry_after", ["", "soon", "-5", "0", "1e9", "Mon, 02 Nov 2020 12:00:00 GMT", "٣", "32 Foo 2026"]
)
def test_an_invalid_retry_after_is_ignored(retry_after: str) -> None:
    outcome = decide_outcome(1, AT, AttemptResult(status=503, headers={"retry-after": retry_after}), MIDDLE)
    assert (outcome.next_attempt_at, outcome.slow_until) == (after(5), None)


def test_retry_after_counts_only_for_busy_receivers() -> None:
    assert decide_outcome(1, AT, AttemptResult(status=500, headers={"retry-after": "60"}), MIDDLE).slow_until is None
