"""The table of the contract, line by line: what each answer means for its delivery and its endpoint."""

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
def test_what_failed_comes_again_by_the_schedule(result: AttemptResult) -> None:
    assert decide_outcome(1, AT, result, MIDDLE) == DeliveryOutcome(
        status=DeliveryStatus.PENDING, next_attempt_at=after(5)
    )
    assert decide_outcome(2, AT, result, MIDDLE).next_attempt_at == after(300)
    assert decide_outcome(10, AT, result, MIDDLE) == DeliveryOutcome(status=DeliveryStatus.FAILED)


def test_ten_attempts_take_75_hours_and_35_minutes() -> None:
    assert len(RETRY_SCHEDULE) == 9
    assert sum(RETRY_SCHEDULE, timedelta(0)) == timedelta(hours=75, minutes=35, seconds=5)


@given(st.integers(1, 9), st.floats(0, 1))
def test_each_wait_is_spread_by_a_fifth(number: int, chance: float) -> None:
    again = decide_outcome(number, AT, AttemptResult(status=500), chance).next_attempt_at
    assert again is not None
    assert 0.8 * RETRY_SCHEDULE[number - 1] <= again - AT <= 1.2 * RETRY_SCHEDULE[number - 1]


def test_gone_ends_the_endpoint() -> None:
    assert decide_outcome(1, AT, AttemptResult(status=410), MIDDLE) == DeliveryOutcome(
        status=DeliveryStatus.DROPPED, disable_reason="gone"
    )


def test_a_blocked_address_is_not_tried_again() -> None:
    assert decide_outcome(1, AT, AttemptResult(error="blocked"), MIDDLE) == DeliveryOutcome(
        status=DeliveryStatus.BLOCKED
    )


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("asked", "rest"),
    [
        ("60", 60),
        (" 60 ", 60),
        (format_datetime(AT + timedelta(seconds=60), usegmt=True), 60),
        ("Mon, 02 Nov 2026 12:01:00 -0000", 60),
        ("999999999999999999999", 86400),
        (format_datetime(AT + timedelta(days=9), usegmt=True), 86400),
    ],
)
def test_retry_after_moves_the_next_attempt_later(status: int, asked: str, rest: float) -> None:
    outcome = decide_outcome(1, AT, AttemptResult(status=status, headers={"retry-after": asked}), MIDDLE)
    assert outcome.next_attempt_at == outcome.slow_until == after(rest)


def test_retry_after_is_never_earlier_than_the_schedule() -> None:
    outcome = decide_outcome(2, AT, AttemptResult(status=503, headers={"retry-after": "1"}), MIDDLE)
    assert (outcome.next_attempt_at, outcome.slow_until) == (after(300), after(1))
    last = decide_outcome(10, AT, AttemptResult(status=503, headers={"retry-after": "60"}), MIDDLE)
    assert last == DeliveryOutcome(status=DeliveryStatus.FAILED, slow_until=after(60)), (
        "the other deliveries wait all the same"
    )


@pytest.mark.parametrize("asked", ["", "soon", "-5", "0", "1e9", "Mon, 02 Nov 2020 12:00:00 GMT", "٣", "32 Foo 2026"])
def test_what_cannot_be_read_asks_for_nothing(asked: str) -> None:
    outcome = decide_outcome(1, AT, AttemptResult(status=503, headers={"retry-after": asked}), MIDDLE)
    assert (outcome.next_attempt_at, outcome.slow_until) == (after(5), None)


def test_only_a_busy_receiver_may_ask_for_rest() -> None:
    assert decide_outcome(1, AT, AttemptResult(status=500, headers={"retry-after": "60"}), MIDDLE).slow_until is None
