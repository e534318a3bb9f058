"""One line in the log and one span for each request: its route, answer and time; a last answer where it broke."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.infra.telemetry import SILENT, Deed, Part, Tracer
from shared.infra.web.problems import problem

log = structlog.get_logger()

Measured = Callable[[str, str, int, float], None]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BROKEN = 500
REFUSED = 400
UNTRACED = frozenset({"/livez", "/readyz", "/metrics"})  # asked every few seconds, about nobody's job


def begins_job(request: Request, job_id: str) -> None:
    """Noted for the trace of the job that this request has brought."""
    request.state.begins_job = job_id


class Journal:
    """The outermost layer. It logs routes, never paths; and of an exception its kind and place, never its words."""

    def __init__(self, app: ASGIApp, *, measured: Measured, tracer: Tracer = SILENT) -> None:
        self._app = app
        self._measured = measured
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, request_id = time.monotonic(), 0, uuid4().hex
        at = time.time_ns()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                await self._app(scope, receive, noting)
            # The framework's server would print the exception with its words, which may be a recording's.
            except Exception as error:  # noqa: BLE001
                log.error("request.broke", error=type(error).__name__, at=_place(error))  # noqa: TRY400
                if status == 0:
                    detail = "Something broke here; the operator's log says what."
                    await problem("internal_error", BROKEN, detail)(scope, receive, noting)
            self._tell(scope, status, time.monotonic() - began)
            self._trace(scope, status, at, request_id)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = _names(scope)
        self._measured(method, route, status, seconds)
        caller = scope.get("state", {}).get("caller")
        log.info(
            "request.answered",
            method=method,
            route=route,
            status=status,
            seconds=round(seconds, 3),
            key=caller.who if caller else None,
        )

    def _trace(self, scope: Scope, status: int, began: int, request_id: str) -> None:
        method, route = _names(scope)
        if route in UNTRACED:
            return
        begun = scope.get("state", {}).get("begins_job")
        # Whoever asks for what is not there, or another's, leaves nothing in the trace of that job.
        job_id = begun or (scope.get("path_params", {}).get("job_id") if 0 < status < REFUSED else None)
        self._tracer.tell(
            Deed(
                name=f"{method} {route}",
                part=Part.SERVER,
                began=began,
                job_id=job_id,
                begins_job=begun is not None,
                failed=status == 0 or status >= BROKEN,
                facts={
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


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-4:]))
