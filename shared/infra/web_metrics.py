"""Requests in figures, for Prometheus: by route, method and status, and never by id."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RequestFigures:
    def __init__(self, service: str) -> None:
        self._service = service
        self._registry = CollectorRegistry()
        labels = ("service", "route", "method", "status")
        self._count = Counter("undertone_requests", "Requests that were answered", labels, registry=self._registry)
        self._seconds = Histogram(
            "undertone_request_seconds", "Until an answer was sent", ("service", "route"), registry=self._registry
        )

    def seen(self, route: str, method: str, status: int, seconds: float) -> None:
        self._count.labels(self._service, route, method, str(status)).inc()
        self._seconds.labels(self._service, route).observe(seconds)

    def answer(self) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


class Counted:
    """Notes every request under the route's template; what fits no route is one route together."""

    def __init__(self, app: ASGIApp, *, figures: RequestFigures) -> None:
        self._app = app
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.monotonic()

        async def noticed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            # A method is the client's word: only those that mean something become a label.
            method = scope["method"] if scope["method"] in ("GET", "HEAD", "PATCH", "POST", "DELETE") else "other"
            self._figures.seen(route, method, status, time.monotonic() - began)
