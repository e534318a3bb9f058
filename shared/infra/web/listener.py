"""The server under the application: strict HTTP/1.1, and no patience with headers that never end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType
from typing import Any, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.domain.error import InvalidSetting
from shared.infra.web.drain import DrainingTransport

HEADER_SECONDS = 20.0
GRACE_SECONDS = 20
MAX_HEADERS = 32 * 1024
MAX_CONNECTIONS = 2000
TICK_SECONDS = 1.0  # the time in answers' headers has this resolution


class HeaderTimeoutProtocol(H11Protocol):
    """The server itself waits for a request's headers for ever; a thousand half-written ones would block it."""

    _waiting: asyncio.TimerHandle | None = None
    _line: DrainingTransport

    def connection_made(self, transport: Any) -> None:
        self._line = DrainingTransport(transport, self._unread)
        super().connection_made(cast("asyncio.Transport", self._line))
        self._start_timeout()

    def _unread(self) -> bool:
        """Whether the client may still be sending what nobody will read."""
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR)

    def data_received(self, data: bytes) -> None:
        if self._line.lingers:
            return
        super().data_received(data)
        self._start_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timeout()
        super().connection_lost(exc)

    def _start_timeout(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel_timeout()  # a request is being answered
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEADER_SECONDS, self._on_timeout)

    def _cancel_timeout(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _on_timeout(self) -> None:
        self._waiting = None
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering and not self.transport.is_closing():
            self.transport.close()


class QuietServer(uvicorn.Server):
    """The server itself wakes ten times a second to see whether it should end; a signal can wake it as well."""

    _loop: asyncio.AbstractEventLoop | None = None
    _ended: asyncio.Event

    async def main_loop(self) -> None:
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            try:
                await asyncio.wait_for(self._ended.wait(), TICK_SECONDS)
            except TimeoutError:
                continue

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)


def make_server(app: ASGIApp, *, host: str, port: int, trusted_proxies: Sequence[str] = ()) -> uvicorn.Server:
    """What every HTTP service of ours listens with; after SIGTERM what is under way has a little time to end."""
    return QuietServer(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=HeaderTimeoutProtocol,
            ws="none",
            lifespan="on",
            access_log=False,  # ours names routes; paths and queries may carry what nobody should read
            log_config=None,  # its lines go where ours go, and are stripped of words as they are
            log_level="warning",
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            timeout_graceful_shutdown=GRACE_SECONDS,
            h11_max_incomplete_event_size=MAX_HEADERS,
            limit_concurrency=MAX_CONNECTIONS,
        )
    )


def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Sockets that the server can listen on: whoever has them knows that the port is free."""
    try:
        found = {(one[0], one[4]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        with ExitStack() as undo:
            sockets = []
            for family, address in sorted(found):
                line = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
                line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:  # the IPv4 addresses of the name have sockets of their own
                    line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                line.bind(address)
                sockets.append(line)
            undo.pop_all()
            return sockets
    except OSError as error:
        raise InvalidSetting(
            f"It is not possible to listen on port {port} of {host}: {error.strerror}.",
            hint="Choose another address or port, or end the program that uses it.",
        ) from error
