"""Rate limits by token bucket for each key and address, and limits on concurrent work for each key."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from shared.domain.error import TooManyRequests

MAX_BUCKETS = 20_000


@dataclass(slots=True)
class _TokenBucket:
    tokens: float
    at: float


class RateLimiter:
    """Token bucket rate limiter; each process counts separately."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._burst = float(per_minute)
        self._now = now
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, _TokenBucket] = OrderedDict()

    def take(self, name: str) -> None:
        now = self._now()
        with self._lock:
            bucket = self._buckets.pop(name, None) or _TokenBucket(self._burst, now)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
            bucket.at = now
            self._buckets[name] = bucket  # the newest last
            while len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
            if bucket.tokens < 1:
                wait = math.ceil((1 - bucket.tokens) / self._rate)
                raise TooManyRequests("The rate limit of requests per minute is exceeded.", retry_after=wait)
            bucket.tokens -= 1


class ConcurrencyLimit:
    """Limits concurrent operations for each name."""

    def __init__(self, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self._lock = threading.Lock()
        self._active: Counter[str] = Counter()

    @contextmanager
    def acquire(self, name: str) -> Iterator[None]:
        with self._lock:
            if self._active[name] >= self._limit:
                raise TooManyRequests(
                    f"The limit of {self._limit} concurrent {self._what} is reached.",
                    retry_after=5,
                    hint="Wait until one of them has ended.",
                )
            self._active[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._active[name] -= 1
                if not self._active[name]:
                    del self._active[name]


def client_network(address: str | None) -> str:
    """Returns the IPv4 address or the IPv6 /64 network, because one IPv6 client has 2**64 addresses."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(IPv6Address(int(found) >> 64 << 64))
    return str(getattr(found, "ipv4_mapped", None) or found)
