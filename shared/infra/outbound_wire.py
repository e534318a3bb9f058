"""Network backend for outbound requests: connects only to checked addresses and enforces a deadline."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

GRACE_SECONDS = 60.0  # before the mean rate is checked
MIN_BYTES_PER_SECOND = 4096


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to addresses that were resolved and checked before, and ignores the host from the HTTP library."""

    def __init__(self, addresses: Sequence[str], *, deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        del host
        # The timeout covers all addresses together, so that a name with fifty addresses does not take fifty timeouts.
        until = min(self._deadline, time.monotonic() + (timeout or 0.0))
        failure: Exception = httpcore.ConnectTimeout()
        for address in self._addresses:
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                stream = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _DeadlineStream(stream, self._deadline)
        raise failure


class _DeadlineStream(httpcore.NetworkStream):
    """Stream that ends at the deadline or below the minimum rate, so that a slow server cannot keep it open."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._began = time.monotonic()
        self._received = 0

    def _left(self, timeout: float | None, error: type[httpcore.TimeoutException]) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise error
        return left if timeout is None else min(left, timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        block = self._stream.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))
        self._received += len(block)
        seconds = time.monotonic() - self._began
        if block and seconds > GRACE_SECONDS and self._received < seconds * MIN_BYTES_PER_SECOND:
            raise httpcore.ReadTimeout
        return block

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
