"""Buckets empty with requests and fill with time; places are given back; a label is no path."""

from __future__ import annotations

import pytest

from shared.domain.error import HostNotAllowed, TooManyRequests
from shared.domain.file_label import safe_file_label
from shared.infra.web.loopback import check_local, is_loopback
from shared.infra.web.rate_limit import MAX_BUCKETS, ConcurrencyLimit, RateLimiter, client_network


def test_a_bucket_fills_as_time_goes_by() -> None:
    now = [0.0]
    buckets = RateLimiter(60, lambda: now[0])
    for _ in range(60):
        buckets.take("a")
    with pytest.raises(TooManyRequests) as refused:
        buckets.take("a")
    assert refused.value.retry_after == 1
    buckets.take("b")
    now[0] += 2
    buckets.take("a")
    buckets.take("a")
    with pytest.raises(TooManyRequests):
        buckets.take("a")


def test_only_so_many_names_are_remembered() -> None:
    buckets = RateLimiter(1)
    for number in range(MAX_BUCKETS + 10):
        buckets.take(str(number))
    assert len(buckets._buckets) == MAX_BUCKETS


def test_a_place_is_given_back_however_it_ends() -> None:
    places = ConcurrencyLimit(1, "uploads")
    with places.acquire("a"), places.acquire("b"), pytest.raises(TooManyRequests), places.acquire("a"):
        pass
    with pytest.raises(ValueError, match="broke"), places.acquire("a"):
        raise ValueError("broke")
    with places.acquire("a"):
        pass


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        (None, "unknown"),
        ("rubbish", "unknown"),
    ],
)
def test_who_has_one_ipv6_address_has_the_whole_network(address: str | None, network: str) -> None:
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
def test_a_label_is_what_can_be_shown(name: str | None, label: str) -> None:
    assert safe_file_label(name, "recording") == label


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "LOCALHOST"])
def test_these_mean_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.1", "0x7f.1"],  # noqa: S104
)
def test_these_do_not(host: str) -> None:
    assert not is_loopback(host)


def test_a_client_elsewhere_is_refused_whatever_it_says() -> None:
    check_local({"host": "127.0.0.1:8000", "origin": "http://[::1]:8000"}, "127.0.0.1")
    with pytest.raises(HostNotAllowed):
        check_local({"host": "127.0.0.1:8000"}, "192.0.2.7")
    with pytest.raises(HostNotAllowed):
        check_local({}, "127.0.0.1")
    with pytest.raises(HostNotAllowed):
        check_local({"host": "127.0.0.1", "origin": "http://[half"}, "127.0.0.1")
