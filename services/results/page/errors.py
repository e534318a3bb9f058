"""Renders errors as pages in a browser, with the code and the hint of the problem."""

from __future__ import annotations

import json

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.results.page.render import page
from shared.infra.web.problems import MEDIA_TYPE

API = "/v1/"  # responds with problems to every client


class ErrorPages:
    """Middleware around authentication, because authentication rejects requests before they reach a route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _opens_page(scope):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def convert(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    await _answer(scope, receive, send, start, bytes(body))

        await self._app(scope, receive, convert)


def _opens_page(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].startswith(API):
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")


def _is_problem(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type") == MEDIA_TYPE


async def _answer(scope: Scope, receive: Receive, send: Send, start: Message, body: bytes) -> None:
    problem = json.loads(body)
    answer = page(
        "error.html",
        status=start["status"],
        code=problem["code"],
        message=problem["detail"],
        hint=problem.get("hint"),
    )
    if (seconds := Headers(raw=start["headers"]).get("retry-after")) is not None:
        answer.headers["Retry-After"] = seconds
    await answer(scope, receive, send)
