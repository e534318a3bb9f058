"""Prometheus metrics of the requests; labels are routes and statuses, never ids."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

BUCKETS = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600)


class RequestMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self._requests = Counter("undertone_http_requests", "Requests by route and status", labels, registry=registry)
        self._seconds = Histogram(
            "undertone_http_request_seconds",
            "Seconds until the response to a request",
            ("route",),
            buckets=BUCKETS,
            registry=registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
