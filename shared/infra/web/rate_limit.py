"""Limits on the requests of each key and address, and on concurrent work for each key."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address

import structlog
from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import ConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.domain.error import TooManyRequests

log = structlog.get_logger()

MAX_LOCAL_NAMES = 20_000
TIMEOUT_SECONDS = 0.5  # for Redis
RETRY_SECONDS = 10.0  # between attempts to reach Redis during an outage


class RateLimiter:
    """Counts requests in a sliding window: in Redis for all processes, or in this process while Redis is unreachable.

    An unreachable Redis delays a few requests by the timeout every ten seconds, and fails none.
    """

    def __init__(self, limit: RateLimitItem, redis_url: str = "") -> None:
        self._limit = limit
        self._counts = MemoryStorage()
        self._local = SlidingWindowCounterRateLimiter(self._counts)
        self._shared = _shared_limiter(redis_url) if redis_url else self._local
        self._retry_at: float | None = None  # during an outage

    def take(self, *name: str) -> None:
        """Count a request; raises if there are too many. Call it in a thread, because it waits for Redis."""
        now = time.monotonic()
        if self._retry_at is not None:
            if now < self._retry_at:
                self._take(self._local, name)
                return
            self._retry_at = now + RETRY_SECONDS  # only this request waits for the attempt
        try:
            self._take(self._shared, name)
        except RedisError as error:
            if self._retry_at is None:
                log.warning("service.shared_rate_limit_unavailable", error=type(error).__name__)
            self._retry_at = now + RETRY_SECONDS
            self._take(self._local, name)

    def _take(self, limiter: SlidingWindowCounterRateLimiter, name: tuple[str, ...]) -> None:
        if len(self._counts.storage) > MAX_LOCAL_NAMES:
            self._counts.reset()
        allowed = limiter.hit(self._limit, *name)
        if limiter is self._shared and self._retry_at is not None:
            self._retry_at = None
            log.info("service.shared_rate_limit_available")
        if not allowed:
            seconds = limiter.get_window_stats(self._limit, *name).reset_time - time.time()
            raise TooManyRequests(
                "The rate limit of requests per minute is exceeded.", retry_after=max(1, math.ceil(seconds))
            )


def _shared_limiter(redis_url: str) -> SlidingWindowCounterRateLimiter:
    # Celery names a socket `redis+socket`, and its database `virtual_host`.
    url = redis_url.replace("redis+socket://", "unix://").replace("virtual_host=", "db=")
    pool = ConnectionPool.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 0)
    )
    return SlidingWindowCounterRateLimiter(RedisStorage(url, connection_pool=pool, key_prefix="undertone:requests"))


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
