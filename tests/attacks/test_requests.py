"""Requests that no client would send by mistake: each has a status below 500 and leaves the service answering."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct

import httpx
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from shared.domain.error import AddressBlocked, InvalidRequest, OutboundFailed
from shared.domain.page import Cursor
from shared.infra.address_rule import OutboundSettings, parse
from shared.infra.outbound import Outbound
from shared.infra.telemetry import NULL_TRACER
from shared.infra.web.access_log import AccessLog
from tests.gateway.serving import MP4, Gateway, logged
from tests.gateway.test_attacks import head
from tests.local_server import Reply, serving
from tests.results.conftest import ResultsHarness

ID = "0" * 32
NOW = "2026-11-02T12:00:00Z"
CURSORS = [
    {"at": "2026-11-02T12:00:00", "id": ID},
    {"at": NOW, "id": "x:²"},
    {"at": NOW, "id": "x:" + "9" * 20},
    {"at": NOW, "id": "x\0"},
    {"at": NOW, "id": "x" * 300},
    {"at": "0001-01-01T00:00:00", "id": ID},
    {"at": 1e300, "id": ID},
]
LISTS = ["/v1/jobs", "/v1/audit"]


def encoded(cursor: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_forged_cursor_is_an_invalid_request(
    client: httpx.Client, results: ResultsHarness, cursor: dict[str, object]
) -> None:
    with pytest.raises(InvalidRequest):
        Cursor.parse(encoded(cursor))
    searched = results.web().get("/v1/search", params={"q": "x", "cursor": encoded(cursor)})
    assert (searched.status_code, searched.json()["code"]) == (422, "invalid_request")
    for path in LISTS:
        answer = client.get(path, params={"cursor": encoded(cursor)})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), path


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_extreme_times_are_compared_without_an_overflow(client: httpx.Client, at: str) -> None:
    assert client.get("/v1/jobs", params={"cursor": encoded({"at": at, "id": ID})}).status_code == 200
    assert client.get("/v1/jobs", params={"created_from": at, "created_before": at}).status_code == 200


@pytest.mark.parametrize("host", ["[127.0.0.5]", "[", "[::1", "[::g]", "[1:2]", "[::ffff:1.2.3]"])
def test_an_invalid_address_in_brackets_is_blocked(client: httpx.Client, host: str) -> None:
    with pytest.raises(AddressBlocked):
        parse(f"http://{host}:9123/wav")
    answer = client.post("/v1/recordings", json={"url": f"http://{host}:9123/wav"})
    assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize("location", ["http://[/", "http://[::1", "//[", "http://[127.0.0.5]/"])
def test_a_redirect_to_an_invalid_url_fails(location: str) -> None:
    outbound = Outbound(OutboundSettings(_env_file=None), loopback=True)
    with (
        serving(Reply(302, {"location": location})) as server,
        pytest.raises((OutboundFailed, AddressBlocked)),
        outbound.fetching(server.url, {}, max_bytes=100),
    ):
        raise AssertionError("the redirect was followed")


def test_a_client_that_disconnects_is_no_error(gateway: Gateway, capfd: pytest.CaptureFixture[str]) -> None:
    requests = [
        head(gateway, "Content-Type: application/json", "Content-Length: 999", path="/v1/webhooks") + b'{"url": ',
        head(gateway, "Content-Type: video/mp4", "Content-Length: 9999") + b"xx",
        head(gateway, "Content-Type: application/json", "Content-Length: 9999") + b'{"url": ',
        head(gateway, path="/v1/jobs"),
    ]
    for request in requests:
        with socket.create_connection(gateway.address) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            line.sendall(request)
    with gateway.client() as client:
        job = client.post("/v1/recordings", content=MP4, headers={"content-type": "video/mp4"}).json()["id"]
        with client.stream("GET", f"/v1/jobs/{job}/events") as events:
            assert next(events.iter_lines()).startswith("retry")
    lines = logged(capfd, "request.answered", times=len(requests) + 2)
    assert "request.failed" not in lines, lines


def test_a_disconnect_that_a_response_notices_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    """Some servers report it as an exception of the response."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    seen: list[int] = []
    access_log = AccessLog(
        app, observe=lambda _method, _route, status, _seconds: seen.append(status), tracer=NULL_TRACER
    )
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(access_log(scope, None, None))  # type: ignore[arg-type]  # unused
    out, _ = capfd.readouterr()
    assert seen == [0] and "request.disconnected" in out and "request.failed" not in out
