"""Middleware that logs and traces each request with its route, status and duration, and answers uncaught errors."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.infra.telemetry import Tracer, TraceSpan, TraceSpanKind
from shared.infra.web.problems import problem_response

log = structlog.get_logger()

ObserveRequest = Callable[[str, str, int, float], None]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SERVER_ERROR = 500
CLIENT_ERROR = 400
UNTRACED = frozenset({"/livez", "/readyz", "/metrics"})  # polled every few seconds, not related to a job


def start_job_trace(request: Request, job_id: str) -> None:
    """Makes this request's span the root of the trace of the job that it created."""
    request.state.starts_job = job_id


class AccessLog:
    """Logs routes, never paths, and the type and location of an exception, never its text."""

    def __init__(self, app: ASGIApp, *, observe: ObserveRequest, tracer: Tracer) -> None:
        self._app = app
        self._observe = observe
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, request_id = time.monotonic(), 0, uuid4().hex
        at = time.time_ns()

        async def send_recorded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                await self._app(scope, receive, send_recorded)
            # The server would log the exception's text, which may contain transcript text.
            except Exception as error:  # noqa: BLE001
                log.error("request.failed", error=type(error).__name__, location=_error_location(error))  # noqa: TRY400
                if status == 0:
                    detail = "An internal error occurred; the operator's log has the cause."
                    await problem_response("internal_error", SERVER_ERROR, detail)(scope, receive, send_recorded)
            method, route = _names(scope)
            seconds = time.monotonic() - began
            self._observe(method, route, status, seconds)
            caller = scope.get("state", {}).get("caller")
            key = caller.id if caller else None
            log.info("request.answered", method=method, route=route, status=status, seconds=round(seconds, 3), key=key)
            self._trace(scope, status, at, request_id)

    def _trace(self, scope: Scope, status: int, began: int, request_id: str) -> None:
        method, route = _names(scope)
        if route in UNTRACED:
            return
        new_job_id = scope.get("state", {}).get("starts_job")
        # A request for a missing job, or for a job of another tenant, is not added to that job's trace.
        job_id = new_job_id or (scope.get("path_params", {}).get("job_id") if 0 < status < CLIENT_ERROR else None)
        self._tracer.record(
            TraceSpan(
                name=f"{method} {route}",
                kind=TraceSpanKind.SERVER,
                started_ns=began,
                job_id=job_id,
                starts_job=new_job_id is not None,
                failed=status == 0 or status >= SERVER_ERROR,
                attributes={
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": status,
                    "undertone.request": request_id,
                },
            )
        )


def _names(scope: Scope) -> tuple[str, str]:
    method = scope["method"] if scope["method"] in METHODS else "other"
    return method, getattr(scope.get("route"), "path", "none")


def _error_location(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-4:]))
