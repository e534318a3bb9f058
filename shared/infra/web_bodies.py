"""Small bodies only: how long one is must be said beforehand, and more than the limit is never read."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.domain.error import UploadTooLarge
from shared.infra.web_problems import problem, problem_of


class SmallBodies:
    """For services that take no files; the server itself holds a client to the length that it said."""

    def __init__(self, app: ASGIApp, *, at_most: int) -> None:
        self._app = app
        self._at_most = at_most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers:
            answer = problem(411, "length_required", "The body's length must be said.", mend="Send Content-Length.")
        elif not length.isdigit() or int(length) > self._at_most:
            answer = problem_of(UploadTooLarge(f"The body is larger than {self._at_most} bytes, the most taken here."))
        else:
            await self._app(scope, receive, send)
            return
        answer.headers["Connection"] = "close"
        await answer(scope, receive, send)
