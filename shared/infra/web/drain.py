"""Closing politely: who is refused while still sending gets to read why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

DRAIN_SECONDS = 2.0


class DrainingTransport:
    """Closed at once, a connection with unread bytes is reset, and the reset may overtake the answer.

    So our side ends, what still comes is thrown away for a moment, and only then it is closed.
    """

    def __init__(self, transport: asyncio.Transport, unread: Callable[[], bool]) -> None:
        self._transport = transport
        self._unread = unread
        self.lingers = False

    def close(self) -> None:
        if self.lingers:
            return
        if self._transport.is_closing() or not self._unread() or not self._transport.can_write_eof():
            self._transport.close()
            return
        self.lingers = True
        self._transport.write_eof()
        self._transport.resume_reading()
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._transport.close)

    def is_closing(self) -> bool:
        return self.lingers or self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
