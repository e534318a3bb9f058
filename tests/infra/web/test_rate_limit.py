"""Tests of rate limits, concurrency limits, loopback checks and file labels."""

from __future__ import annotations

import pytest

from shared.domain.error import HostNotAllowed, TooManyRequests
from shared.domain.file_label import safe_file_label
from shared.infra.web.loopback import check_local, is_loopback
from shared.infra.web.rate_limit import MAX_BUCKETS, ConcurrencyLimit, RateLimiter, client_network


def test_token_bucket_refills_over_time() -> None:
    now = [0.0]
    limiter = RateLimiter(60, lambda: now[0])
    for _ in range(60):
        limiter.take("a")
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("a")
    assert refused.value.retry_after == 1
    limiter.take("b")
    now[0] += 2
    limiter.take("a")
    limiter.take("a")
    with pytest.raises(TooManyRequests):
        limiter.take("a")


def test_number_of_buckets_is_limited() -> None:
    limiter = RateLimiter(1)
    for number in range(MAX_BUCKETS + 10):
        limiter.take(str(number))
    assert len(limiter._buckets) == MAX_BUCKETS


def test_concurrency_limit_is_released_after_success_and_error() -> None:
    limit = ConcurrencyLimit(1, "uploads")
    with limit.acquire("a"), limit.acquire("b"), pytest.raises(TooManyRequests), limit.acquire("a"):
        pass
    with pytest.raises(ValueError, match="broke"), limit.acquire("a"):
        raise ValueError("broke")
    with limit.acquire("a"):
        pass


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        (None, "unknown"),
        ("invalid", "unknown"),
    ],
)
def test_ipv6_client_is_identified_by_its_network(address: str | None, network: str) -> None:
    assert client_network(address) == network


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("a/b\\c.mp4", "c.mp4"),
        ("..", "recording"),
        ("", "recording"),
        (None, "recording"),
        ("a\u202eb\0.mp4", "ab.mp4"),
        ("Mu\u0308ller.mp4", "Müller.mp4"),
        ("x" * 500, "x" * 200),
    ],
)
def test_file_label_is_safe_to_display(name: str | None, label: str) -> None:
    assert safe_file_label(name, "recording") == label


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "LOCALHOST"])
def test_loopback_host_is_recognised(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.1", "0x7f.1"],  # noqa: S104
)
def test_other_host_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_keyless_request_from_another_machine_is_rejected() -> None:
    check_local({"host": "127.0.0.1:8000", "origin": "http://[::1]:8000"}, "127.0.0.1")
    with pytest.raises(HostNotAllowed):
        check_local({"host": "127.0.0.1:8000"}, "192.0.2.7")
    with pytest.raises(HostNotAllowed):
        check_local({}, "127.0.0.1")
    with pytest.raises(HostNotAllowed):
        check_local({"host": "127.0.0.1", "origin": "http://[half"}, "127.0.0.1")
