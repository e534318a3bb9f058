"""Middleware that limits size and arrival time of the bodies that routes read into memory."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.domain.error import UploadTooLarge
from shared.infra.web.problems import error_response

MAX_BODY = 64 * 1024
BODY_TIMEOUT_SECONDS = 30.0  # maximum seconds between chunks of a body


class BodySizeLimit:
    """`limits` has the bytes of path prefixes with another limit; None is a route that limits its body itself."""

    def __init__(self, app: ASGIApp, *, limits: Mapping[str, int | None]) -> None:
        self._app = app
        self._limits = limits

    def _limit(self, path: str) -> int | None:
        for prefix, limit in self._limits.items():
            if f"{path}/".startswith(f"{prefix}/"):
                return limit
        return MAX_BODY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (max_bytes := self._limit(scope["path"])) is None:
            await self._app(scope, receive, send)
            return
        claimed = Headers(scope=scope).get("content-length", "0")
        if not claimed.isdigit() or int(claimed) > max_bytes:
            error = UploadTooLarge(f"The body is larger than {max_bytes} bytes, the maximum for this call.")
            response = error_response(error, scope["path"])
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        size, ended = 0, False

        async def counted() -> Message:
            nonlocal size, ended
            if ended:  # now waiting for the disconnect, which may take long
                return await receive()
            try:
                with anyio.fail_after(BODY_TIMEOUT_SECONDS):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, headers={"Connection": "close"}) from None
            size += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if size > max_bytes:
                raise HTTPException(413, headers={"Connection": "close"})
            return message

        await self._app(scope, counted, send)
