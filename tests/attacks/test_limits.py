"""Slow senders and large reservations: each connection and each tenant has an end."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler

import httpx
import pytest

from shared.domain.error import OutboundFailed
from shared.infra import outbound_wire
from shared.infra.address_rule import OutboundSettings
from shared.infra.outbound import Outbound
from shared.infra.web import body_limit
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, Gateway
from tests.gateway.test_attacks import head
from tests.local_server import Reply, serving

TUS = {"Tus-Resumable": "1.0.0"}
BUSY_SECONDS = 15.0  # much longer than each limit of these tests, and much shorter than the attack


def test_a_body_that_drips_ends_at_the_limit_for_the_whole_body(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limit, "BODY_TIMEOUT_SECONDS", 1.0)
    began = time.monotonic()
    start = head(gateway, "Content-Type: application/json", "Content-Length: 9000", path="/v1/webhooks")
    response = gateway.raw(start, *([b" "] * 100), pause=0.25, timeout=BUSY_SECONDS)
    assert response.startswith(b"HTTP/1.1 408") and b"body_timeout" in response
    assert time.monotonic() - began < 100 * 0.25 + BUSY_SECONDS


def test_a_media_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound_wire, "GRACE_SECONDS", 0.5)
    sent = 0

    def drip(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(200):
            handler.wfile.write(b"x")
            sent += 1
            time.sleep(0.1)

    outbound = Outbound(OutboundSettings(_env_file=None), loopback=True)
    with (
        serving(Reply(raw=drip)) as server,
        pytest.raises(OutboundFailed) as failure,
        outbound.fetching(server.url, {}, max_bytes=2000) as download,
    ):
        for _ in download.blocks:
            pass
    assert failure.value.reason == "timeout" and sent < 200


def test_unfinished_resumable_uploads_count_towards_the_quota(opened: Open) -> None:
    large = MP4 + bytes(500_000)
    with opened(quota_mb=1) as gateway, gateway.client() as client:

        def start(tenant: httpx.Client = client, size: int = len(large)) -> httpx.Response:
            return tenant.post("/v1/uploads", headers={**TUS, "Upload-Length": str(size)})

        created = start()
        for refused in (start(size=600_000), start(size=600_000)):
            assert (refused.status_code, refused.json()["code"]) == (507, "quota_exceeded")
        kind = {"content-type": "video/mp4"}
        for headers in (kind, {**kind, "Idempotency-Key": "k"}):
            answer = client.post("/v1/recordings", content=MP4 + bytes(600_000), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (507, "quota_exceeded")
        with gateway.client("theirs") as stranger:
            assert start(stranger).status_code == 201
        path = created.headers["location"]
        append = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        assert client.patch(path, content=large, headers=append).status_code == 204
        submitted = client.post("/v1/recordings", json={"upload": path.rpartition("/")[2]})
        assert submitted.status_code == 202, "its own reservation does not count against it"
        assert start(size=600_000).status_code == 507
        assert start(size=400_000).status_code == 201
