"""One line in the log for each request: its route, its answer, its time; and a last answer where something broke."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.infra.web.problems import problem

log = structlog.get_logger()

Measured = Callable[[str, str, int, float], None]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BROKEN = 500


class Journal:
    """The outermost layer. It logs routes, never paths; and of an exception its kind and place, never its words."""

    def __init__(self, app: ASGIApp, *, measured: Measured) -> None:
        self._app = app
        self._measured = measured

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, request_id = time.monotonic(), 0, uuid4().hex

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

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
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


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-4:]))
