"""Tests of request body limits: size, idle time and average speed."""

from __future__ import annotations

from collections.abc import Iterable

import anyio
import anyio.to_thread
import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from shared.domain.error import BodyTimeout, MalformedBody, UploadTooLarge
from shared.infra.web.request_body import Body, BodyLimits

LIMITS = BodyLimits(max_bytes=1000, idle_seconds=0.2)


def read_body(
    blocks: Iterable[bytes | None], headers: dict[str, str] | None = None, limits: BodyLimits = LIMITS, pause: float = 0
) -> bytes:
    """Reads the body in a worker thread; None is a disconnect, and after the last block the client sends nothing."""
    pending = list(blocks)

    async def receive() -> Message:
        await anyio.sleep(pause)
        if not pending:
            await anyio.sleep_forever()
        block = pending.pop(0)
        if block is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": block, "more_body": block != b"."}

    async def main() -> bytes:
        body = Body(receive, Headers(headers or {}), limits)
        return await anyio.to_thread.run_sync(lambda: b"".join(body.blocks()))

    return anyio.run(main)


def test_body_is_read_completely() -> None:
    assert read_body([b"one", b"", b"two", b"."]) == b"onetwo."
    assert read_body([b"12", b"."], {"content-length": "3"}) == b"12."


@pytest.mark.parametrize(
    ("blocks", "headers", "error"),
    [
        ([b"x", None], {}, MalformedBody),
        ([b"x"], {}, BodyTimeout),
        ([b"x" * 600, b"x" * 600], {}, UploadTooLarge),
        ([], {"content-length": "1001"}, UploadTooLarge),
        ([], {"content-length": "1e3"}, MalformedBody),
        ([], {"content-length": "²"}, MalformedBody),
        ([b"x", b"."], {"content-length": "9"}, MalformedBody),
    ],
)
def test_body_outside_the_limits_is_rejected(
    blocks: list[bytes | None], headers: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        read_body(blocks, headers)


def test_slow_body_is_rejected_only_after_the_grace_period() -> None:
    trickle = [b"x"] * 50 + [b"."]
    with pytest.raises(BodyTimeout, match="bytes per second"):
        read_body(
            trickle,
            limits=BodyLimits(max_bytes=1000, idle_seconds=1, min_bytes_per_second=1000, grace_seconds=0.1),
            pause=0.01,
        )
    assert read_body(
        trickle,
        limits=BodyLimits(max_bytes=1000, idle_seconds=1, min_bytes_per_second=1000, grace_seconds=30),
        pause=0.001,
    )
