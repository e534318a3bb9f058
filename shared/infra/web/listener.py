"""The uvicorn server of the HTTP services: strict HTTP/1.1 with a timeout for request headers."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from contextlib import ExitStack
from types import FrameType
from typing import Any, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from shared.domain.error import InvalidSetting
from shared.infra.web.drain import DrainingTransport
from shared.infra.web.settings import WebSettings

HEADER_SECONDS = 20.0
GRACE_SECONDS = 20
MAX_HEADERS = 32 * 1024
MAX_CONNECTIONS = 2000
TICK_SECONDS = 1.0  # also the resolution of the Date header
HUNG_SECONDS = 60.0
SWITCH_SECONDS = 0.001  # of Python's thread switch interval; with the default of 5 ms, requests wait longer


class HeaderTimeoutProtocol(H11Protocol):
    """Closes connections that do not send complete headers in time; uvicorn would wait without a limit."""

    _waiting: asyncio.TimerHandle | None = None
    _transport: DrainingTransport

    def connection_made(self, transport: Any) -> None:
        self._transport = DrainingTransport(transport, self._unread)
        super().connection_made(cast("asyncio.Transport", self._transport))
        self._start_timeout()

    def _unread(self) -> bool:
        """Whether the client may still be sending bytes that will not be read."""
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR)

    def data_received(self, data: bytes) -> None:
        if self._transport.draining:
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
    """uvicorn server that waits for a signal instead of polling ten times a second for shutdown.

    The kernel ends the process with SIGALRM when the event loop has not run for `hung_seconds`: then nothing is
    answered any more, and a supervisor, Docker or Kubernetes starts it again.
    """

    hung_seconds: float = HUNG_SECONDS
    _loop: asyncio.AbstractEventLoop | None = None
    _ended: asyncio.Event

    async def main_loop(self) -> None:
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        own_process = threading.current_thread() is threading.main_thread()
        if own_process:
            sys.setswitchinterval(SWITCH_SECONDS)
        try:
            while not await self.on_tick(0):
                if own_process:
                    signal.setitimer(signal.ITIMER_REAL, self.hung_seconds)
                try:
                    await asyncio.wait_for(self._ended.wait(), TICK_SECONDS)
                except TimeoutError:
                    continue
        finally:
            if own_process:
                signal.setitimer(signal.ITIMER_REAL, 0)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)


def make_server(app: ASGIApp, settings: WebSettings) -> QuietServer:
    """Creates the server of an HTTP service; after SIGTERM, running requests get a grace period to end."""
    return QuietServer(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=HeaderTimeoutProtocol,
            ws="none",
            lifespan="on",
            access_log=False,  # AccessLog logs routes; paths and queries may contain private data
            log_config=None,  # its lines go through our log handler, which redacts exceptions
            log_level="warning",
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=GRACE_SECONDS,
            h11_max_incomplete_event_size=MAX_HEADERS,
            limit_concurrency=MAX_CONNECTIONS,
        )
    )


def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Binds the sockets for the server, which proves that the port is free."""
    try:
        found = {(one[0], one[4]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        with ExitStack() as undo:
            sockets = []
            for family, address in sorted(found):
                sock = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:  # IPv4 addresses have their own sockets
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(address)
                sockets.append(sock)
            undo.pop_all()
            return sockets
    except OSError as error:
        raise InvalidSetting(
            f"Cannot listen on port {port} of {host}: {error.strerror}.",
            hint="Choose another address or port, or stop the program that uses it.",
        ) from error
