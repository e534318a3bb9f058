"""Prometheus metrics of the gateway: requests, durations and uploads; labels are routes and codes, never ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

BUCKETS = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600)


class GatewayMetrics:
    def __init__(self, work: Collector | None = None) -> None:
        self._registry = CollectorRegistry()
        self._beside: list[Callable[[], bytes]] = []
        if work is not None:
            self._registry.register(work)
        labels = ("method", "route", "status")
        self._requests = Counter(
            "undertone_gateway_requests", "Requests by route and status", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "undertone_gateway_request_seconds",
            "Seconds until the response to a request",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._uploads = Gauge("undertone_gateway_uploads", "Uploads in progress", registry=self._registry)
        self._jobs = Counter("undertone_gateway_jobs", "Jobs that were queued", registry=self._registry)

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_job(self) -> None:
        self._jobs.inc()

    @contextmanager
    def track_upload(self) -> Iterator[None]:
        with self._uploads.track_inprogress():
            yield

    def include(self, page: Callable[[], bytes]) -> None:
        """Add the metrics of another service on the same port; their names do not collide."""
        self._beside.append(page)

    def render(self) -> bytes:
        return b"".join((generate_latest(self._registry), *(page() for page in self._beside)))
