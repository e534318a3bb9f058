"""Middlewares that authenticate and rate-limit requests before the body is read, and limit the body's size."""

from __future__ import annotations

from collections.abc import Callable, Collection

import anyio
import anyio.to_thread
from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.domain.error import UndertoneError, UploadTooLarge
from shared.infra.web.api_keys import Authenticator, Caller, bearer
from shared.infra.web.loopback import check_local
from shared.infra.web.rate_limit import RateLimiter, client_network

BODY_TIMEOUT_SECONDS = 30.0  # maximum seconds between chunks of a small body
RenderError = Callable[[UndertoneError, str], Response]


class AuthMiddleware:
    """Authenticates requests except on open paths; sets `caller` or sends an error in the service's format."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        per_key: RateLimiter,
        per_address: RateLimiter,
        open_paths: Collection[str],
        render_error: RenderError,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._per_key = per_key
        self._per_address = per_address
        self._open = frozenset(open_paths)
        self._render_error = render_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        address = scope["client"][0] if scope.get("client") else None
        try:
            if self._authenticator.keyless:
                check_local(headers, address)
            if scope["path"] not in self._open:
                self._per_address.take(client_network(address))
                if scope["method"] != "OPTIONS":
                    scope.setdefault("state", {})["caller"] = await self._authenticate(headers, address)
        except UndertoneError as error:
            response = self._render_error(error, scope["path"])
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _authenticate(self, headers: Headers, address: str | None) -> Caller:
        token = "" if self._authenticator.keyless else bearer(headers.get("authorization"))
        caller = await anyio.to_thread.run_sync(self._authenticator.authenticate, token, address)
        self._per_key.take(caller.id)
        return caller


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


class BodySizeLimit:
    """Limits bodies that are read into memory; `streams_body` selects routes that limit their own body."""

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, streams_body: Callable[[Scope], bool], render_error: RenderError
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._streams_body = streams_body
        self._render_error = render_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._streams_body(scope):
            await self._app(scope, receive, send)
            return
        claimed = Headers(scope=scope).get("content-length", "0")
        if not claimed.isdigit() or int(claimed) > self._max_bytes:
            error = UploadTooLarge(f"The body is larger than {self._max_bytes} bytes, the maximum for this call.")
            response = self._render_error(error, scope["path"])
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
            if size > self._max_bytes:
                raise HTTPException(413, headers={"Connection": "close"})
            return message

        await self._app(scope, counted, send)
