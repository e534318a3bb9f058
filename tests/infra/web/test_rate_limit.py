"""Tests of rate limits, concurrency limits, loopback checks and file labels."""

from __future__ import annotations

import socket
import time
import tracemalloc
from pathlib import Path

import pytest
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond

from shared.domain.error import HostNotAllowed, TooManyRequests
from shared.domain.file_label import safe_file_label
from shared.infra.web import rate_limit
from shared.infra.web.loopback import check_local, is_loopback
from shared.infra.web.rate_limit import ConcurrencyLimit, RateLimiter, client_network
from tests.local_redis import redis_running


def takes(limiter: RateLimiter, name: str = "a") -> int:
    """How many requests are allowed until one is rejected."""
    for number in range(1000):
        try:
            limiter.take("key", name)
        except TooManyRequests:
            return number
    return 1000


def test_each_name_may_send_that_many_requests() -> None:
    limiter = RateLimiter(RateLimitItemPerMinute(60))
    assert takes(limiter, "a") == 60
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("key", "a")
    assert refused.value.retry_after is not None and 1 <= refused.value.retry_after <= 60
    assert takes(limiter, "b") == 60


def test_requests_are_allowed_again_after_the_window() -> None:
    limiter = RateLimiter(RateLimitItemPerSecond(5))
    assert takes(limiter) < 1000
    time.sleep(2.1)
    assert takes(limiter) >= 5


def test_number_of_names_in_this_process_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_LOCAL_NAMES", 100)
    limiter = RateLimiter(RateLimitItemPerMinute(1))
    tracemalloc.start()
    for number in range(20_000):
        limiter.take("address", str(number))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 500_000


def test_processes_with_the_same_redis_share_a_limit(tmp_path: Path) -> None:
    with redis_running(tmp_path) as url:
        one, other = (RateLimiter(RateLimitItemPerMinute(10), url) for _ in range(2))
        for _ in range(6):
            one.take("key", "a")
        assert takes(other) == 4
        assert takes(one) == 0
        with pytest.raises(TooManyRequests) as refused:
            one.take("key", "a")
        assert refused.value.retry_after is not None and 1 <= refused.value.retry_after <= 60


def test_requests_are_counted_here_while_redis_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rate_limit, "RETRY_SECONDS", 0)
    with redis_running(tmp_path) as url:
        limiter = RateLimiter(RateLimitItemPerMinute(10), url)
        assert takes(limiter) == 10
    assert takes(limiter) == 10, "this process has not counted the shared requests"
    for number in range(20):
        limiter.take("key", str(number))
    assert capsys.readouterr().out.count("service.shared_rate_limit_unavailable") == 1, "once for an outage"
    with redis_running(tmp_path):
        limiter.take("key", "b")
        assert capsys.readouterr().out.count("service.shared_rate_limit_available") == 1
        assert takes(limiter) == 0, "the shared counts are still there"
    limiter.take("key", "b")
    assert capsys.readouterr().out.count("service.shared_rate_limit_unavailable") == 1


def test_an_unresponsive_redis_delays_few_requests() -> None:
    """The server accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        limiter = RateLimiter(RateLimitItemPerMinute(1000), f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        assert takes(limiter) == 1000
        assert time.monotonic() - began < 4 * rate_limit.TIMEOUT_SECONDS


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
