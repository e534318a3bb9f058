"""Closes rejected connections without a reset, so that a client that is still sending can read the response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

DRAIN_SECONDS = 2.0


class DrainingTransport:
    """Sends EOF, discards incoming bytes for a short time, and then closes the connection.

    Closing a connection with unread bytes immediately resets it, and the reset may overtake the response.
    """

    def __init__(self, transport: asyncio.Transport, unread: Callable[[], bool]) -> None:
        self._transport = transport
        self._unread = unread
        self.draining = False

    def close(self) -> None:
        if self.draining:
            return
        if self._transport.is_closing() or not self._unread() or not self._transport.can_write_eof():
            self._transport.close()
            return
        self.draining = True
        self._transport.write_eof()
        self._transport.resume_reading()
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._transport.close)

    def is_closing(self) -> bool:
        return self.draining or self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
