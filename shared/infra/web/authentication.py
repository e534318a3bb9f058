"""Middleware that authenticates and limits each request before its body is read, and the caller as a dependency."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread
from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from shared.domain.error import UndertoneError
from shared.domain.tenant import Scope
from shared.infra.web.authenticator import Authenticator, Caller, key_in
from shared.infra.web.dialect import Dialect, dialect_of
from shared.infra.web.loopback import check_local
from shared.infra.web.problems import error_response
from shared.infra.web.rate_limit import RateLimiter, client_network
from shared.infra.web.sessions import SAFE_METHODS, check_same_origin, session_token
from shared.infra.web.share_links import share_token

THREADS = 8  # apart from those of the handlers, so that slow handlers do not delay authentication
MAX_RUNNING_PER_KEY = 2  # of these threads, so that a thousand requests of one key do not delay those of another


class Authentication:
    """Sets the caller of each request, except on open paths, or responds with the error."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        rates: RateLimiter,
        open_paths: Collection[str],
        dialects: Sequence[Dialect] = (),
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._rates = rates
        self._open = frozenset(open_paths)
        self._open_prefixes = tuple(path for path in open_paths if path.endswith("/"))
        self._threads = anyio.CapacityLimiter(THREADS)
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._dialects = dialects

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        address = scope["client"][0] if scope.get("client") else None
        try:
            if self._authenticator.keyless:
                check_local(headers, address)
            if scope["path"] not in self._open and not scope["path"].startswith(self._open_prefixes):
                async with self._turn(scope, headers, address):
                    caller = await anyio.to_thread.run_sync(self._admit, scope, headers, address, limiter=self._threads)
                scope.setdefault("state", {})["caller"] = caller
            elif scope["method"] not in SAFE_METHODS:  # signing in
                await anyio.to_thread.run_sync(self._rates.take, "address", client_network(address))
        except UndertoneError as error:
            response = error_response(error, scope["path"])
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _turn(self, scope: ASGIScope, headers: Headers, address: str | None) -> asyncio.Semaphore:
        """The semaphore of requests with this key, session or share link; it exists while one of them does."""
        key = dialect_of(scope["path"], self._dialects).key_in(headers)
        sender = share_token(scope["path"]) or key or session_token(headers) or address or ""
        turn = self._turns.get(sender)
        if turn is None:
            turn = self._turns[sender] = asyncio.Semaphore(MAX_RUNNING_PER_KEY)
        return turn

    def _admit(self, scope: ASGIScope, headers: Headers, address: str | None) -> Caller | None:
        self._rates.take("address", client_network(address))
        if scope["method"] == "OPTIONS":  # browsers send no key with a preflight request
            return None
        token = share_token(scope["path"])
        if token is not None:
            caller = self._authenticator.visit(token, address)
        else:
            caller = self._caller(scope, headers, address)
        if caller is not None:
            self._rates.take("key", caller.id)
        return caller

    def _caller(self, scope: ASGIScope, headers: Headers, address: str | None) -> Caller:
        if self._authenticator.keyless:
            return self._authenticator.authenticate("", address)
        dialect = dialect_of(scope["path"], self._dialects)
        key, session = dialect.key_in(headers), session_token(headers)
        if key is None and session is not None:
            check_same_origin(scope["method"], headers)
            return self._authenticator.resume(session, address)
        return self._authenticator.authenticate(key_in(key, dialect.key_schemes), address)


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
