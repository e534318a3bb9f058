"""Requests that two servers could read differently: none is answered as two, and none stores anything."""

from __future__ import annotations

import pytest

from tests.gateway.serving import MP4, Gateway, clean, eventually, logged
from tests.gateway.test_attacks import head

AMBIGUOUS = {
    "both lengths": ("Content-Length: 4", "Transfer-Encoding: chunked"),
    "both lengths, reversed": ("Transfer-Encoding: chunked", "Content-Length: 4"),
    "a blank before the colon": ("Transfer-Encoding : chunked",),
    "a tab in the name": ("Transfer\t-Encoding: chunked",),
    "an unknown coding": ("Transfer-Encoding: xchunked",),
    "identity and chunked": ("Transfer-Encoding: identity, chunked",),
    "two hosts": ("Host: y", "Content-Length: 4"),
    "a sign": ("Content-Length: +4",),
    "a hexadecimal length": ("Content-Length: 0x4",),
    "a list of lengths": ("Content-Length: 4, 5",),
    "a NUL": ("X-A: a\0b", "Content-Length: 4"),
}
CHUNKS = {
    "a length beyond any number": b"FFFFFFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n",
    "a negative length": b"-1\r\nx\r\n0\r\n\r\n",
    "a length with a prefix": b"0x1\r\nx\r\n0\r\n\r\n",
    "no end of a chunk": b"1\r\nxyz\r\n0\r\n\r\n",
    "an endless extension": b"1;" + b"a" * 200_000 + b"\r\nx\r\n0\r\n\r\n",
}


def second(gateway: Gateway) -> bytes:
    """A request that would be answered if the end of the first one was misread."""
    return head(gateway, "Content-Length: 0", path="/v1/webhooks")


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_an_ambiguous_length_is_refused(gateway: Gateway, name: str) -> None:
    sent = head(gateway, "Content-Type: video/mp4", *AMBIGUOUS[name]) + b"0\r\n\r\n" + second(gateway)
    response = gateway.raw(sent, timeout=1)
    assert response.count(b"HTTP/1.1 ") <= 1
    assert response[9:10] in (b"4", b""), response[:80]
    assert eventually(lambda: clean(gateway))


@pytest.mark.parametrize("name", CHUNKS)
def test_a_malformed_chunk_is_refused(gateway: Gateway, capfd: pytest.CaptureFixture[str], name: str) -> None:
    opening = head(gateway, "Content-Type: video/mp4", "Transfer-Encoding: chunked")
    valid = f"{len(MP4):x}\r\n".encode() + MP4 + b"\r\n"
    response = gateway.raw(opening + valid + CHUNKS[name] + second(gateway), timeout=1)
    assert response.count(b"HTTP/1.1 ") <= 1
    assert response[9:10] in (b"4", b""), response[:80]
    logged(capfd, "request.answered")
    assert eventually(lambda: clean(gateway))


@pytest.mark.parametrize(
    "line",
    [b"GET  /v1/jobs HTTP/1.1", b"GET /v1/jobs HTTP/1.1 ", b"GET /v1/jobs", b"GET /v1/jobs HTTP/9.9", b"\x16\x03\x01"],
)
def test_a_malformed_request_line_is_refused(gateway: Gateway, line: bytes) -> None:
    response = gateway.raw(line + b"\r\nHost: x\r\n\r\n", timeout=1)
    assert response[9:10] in (b"4", b""), response[:80]
