"""A body is pulled within its limits: its length, its silences and its mean rate."""

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


def pulled(
    blocks: Iterable[bytes | None], headers: dict[str, str] | None = None, limits: BodyLimits = LIMITS, pause: float = 0
) -> bytes:
    """What arrives through a worker thread; None is a client who goes away, and the end one who falls silent."""
    coming = list(blocks)

    async def receive() -> Message:
        await anyio.sleep(pause)
        if not coming:
            await anyio.sleep_forever()
        block = coming.pop(0)
        if block is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": block, "more_body": block != b"."}

    async def main() -> bytes:
        body = Body(receive, Headers(headers or {}), limits)
        return await anyio.to_thread.run_sync(lambda: b"".join(body.blocks()))

    return anyio.run(main)


def test_what_is_sent_arrives() -> None:
    assert pulled([b"one", b"", b"two", b"."]) == b"onetwo."
    assert pulled([b"12", b"."], {"content-length": "3"}) == b"12."


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
def test_what_breaks_the_limits_is_given_up(
    blocks: list[bytes | None], headers: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        pulled(blocks, headers)


def test_a_trickle_is_given_up_and_a_slow_beginning_is_not() -> None:
    trickle = [b"x"] * 50 + [b"."]
    with pytest.raises(BodyTimeout, match="bytes per second"):
        pulled(
            trickle,
            limits=BodyLimits(max_bytes=1000, idle_seconds=1, min_bytes_per_second=1000, grace_seconds=0.1),
            pause=0.01,
        )
    assert pulled(
        trickle,
        limits=BodyLimits(max_bytes=1000, idle_seconds=1, min_bytes_per_second=1000, grace_seconds=30),
        pause=0.001,
    )
