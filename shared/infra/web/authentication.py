"""Middleware that authenticates and limits each request before its body is read, and the caller as a dependency."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any

import anyio.to_thread
from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from shared.domain.error import UndertoneError
from shared.domain.tenant import Scope
from shared.infra.web.api_keys import Authenticator, Caller, bearer
from shared.infra.web.loopback import check_local
from shared.infra.web.problems import error_response
from shared.infra.web.rate_limit import RateLimiter, client_network


class Authentication:
    """Sets the caller of each request, except on open paths, or responds with the error."""

    def __init__(
        self, app: ASGIApp, *, authenticator: Authenticator, rates: RateLimiter, open_paths: Collection[str]
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._rates = rates
        self._open = frozenset(open_paths)

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        address = scope["client"][0] if scope.get("client") else None
        try:
            if self._authenticator.keyless:
                check_local(headers, address)
            if scope["path"] not in self._open:
                caller = await anyio.to_thread.run_sync(self._admit, scope["method"], headers, address)
                scope.setdefault("state", {})["caller"] = caller
        except UndertoneError as error:
            response = error_response(error, scope["path"])
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admit(self, method: str, headers: Headers, address: str | None) -> Caller | None:
        self._rates.take("address", client_network(address))
        if method == "OPTIONS":  # browsers send no key with a preflight request
            return None
        token = "" if self._authenticator.keyless else bearer(headers.get("authorization"))
        caller = self._authenticator.authenticate(token, address)
        self._rates.take("key", caller.id)
        return caller


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def require_scopes(*scopes: Scope) -> Callable[[Request], Coroutine[Any, Any, Caller]]:
    """Return a dependency: the caller of the request, who must have all of these scopes."""

    async def caller(request: Request) -> Caller:
        authenticated = caller_of(request)
        for scope in scopes:
            authenticated.require_scope(scope)
        return authenticated

    return caller
