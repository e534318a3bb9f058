"""Streams a request body to a worker thread with limits on size, idle time and minimum speed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import anyio
import anyio.from_thread
from starlette.datastructures import Headers
from starlette.types import Receive

from shared.domain.error import BodyTimeout, MalformedBody, UploadTooLarge


@dataclass(frozen=True, slots=True)
class BodyLimits:
    max_bytes: int  # bytes
    idle_seconds: float = 30.0  # seconds until the next bytes
    min_bytes_per_second: int = 4096  # bytes per second, on average
    grace_seconds: float = 30.0  # seconds before the average is checked


class Body:
    """A request's body; Content-Length allows early rejection, but the received bytes are what is counted."""

    def __init__(self, receive: Receive, headers: Headers, limits: BodyLimits) -> None:
        self._receive = receive
        self._limits = limits
        self._size = 0
        self._began: float | None = None  # when it was first read; before that the request may have waited in the queue
        self._ended = False
        self.claimed = claimed_length(headers)
        if self.claimed is not None and self.claimed > limits.max_bytes:
            raise self._too_large()

    def blocks(self) -> Iterator[bytes]:
        """Yields the blocks; call it from a worker thread, because each block is awaited on the event loop."""
        while (block := anyio.from_thread.run(self._next)) is not None:
            if block:
                yield block

    async def _next(self) -> bytes | None:
        if self._ended:
            return None
        self._began = self._began or time.monotonic()
        try:
            with anyio.fail_after(self._limits.idle_seconds):
                message = await self._receive()
        except TimeoutError:
            raise BodyTimeout(
                f"No bytes were received for {self._limits.idle_seconds:g} seconds.", hint="Send it again."
            ) from None
        if message["type"] == "http.disconnect":
            raise MalformedBody("The client closed the connection before the end of the request.")
        block: bytes = message.get("body", b"")
        self._size += len(block)
        self._ended = not message.get("more_body", False)
        self._check()
        return block

    def _check(self) -> None:
        if self._size > self._limits.max_bytes:
            raise self._too_large()
        if self._ended and self.claimed is not None and self._size != self.claimed:
            raise MalformedBody("The body's length differs from its Content-Length.")
        seconds = time.monotonic() - (self._began or time.monotonic())
        if (
            not self._ended
            and seconds > self._limits.grace_seconds
            and self._size < seconds * self._limits.min_bytes_per_second
        ):
            raise BodyTimeout(
                f"The body arrives at less than {self._limits.min_bytes_per_second} bytes per second.",
                hint="Use a resumable upload at /v1/uploads.",
            )

    def _too_large(self) -> UploadTooLarge:
        return UploadTooLarge(
            f"The body is larger than {self._limits.max_bytes} bytes, the maximum of this service.",
            hint="Send a smaller file, or ask the operator to raise GATEWAY__MAX_UPLOAD_MB.",
        )


def claimed_length(headers: Headers) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise MalformedBody("The Content-Length is not a number.")
    return int(text)
