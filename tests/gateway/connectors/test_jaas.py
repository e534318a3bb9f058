"""Webhooks of Jitsi as a Service."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from services.gateway.connectors.settings import ConnectorsSettings, JaasSettings
from tests.gateway.conftest import Open
from tests.gateway.connectors.announcing import imported, imports, jobs, post, refused, soon
from tests.gateway.serving import MP4, Gateway
from tests.local_server import Reply, serving

PATH = "/v1/connectors/jaas"
SECRET = "s3cret"  # noqa: S105 - that of the published vector


@pytest.fixture
def gateway(opened: Open) -> Iterator[Gateway]:
    with opened(connectors=ConnectorsSettings(jaas=JaasSettings(secret=SecretStr(SECRET), tenant="ours"))) as one:
        yield one


def signature(body: bytes, timestamp: object) -> str:
    digest = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def signed(body: bytes, at: float | None = None) -> dict[str, str]:
    timestamp = int(time.time() if at is None else at)
    return {"X-Jaas-Signature": f"t={timestamp},v1={signature(body, timestamp)}"}


def uploaded(link: str, event: str = "RECORDING_UPLOADED") -> bytes:
    data = {"preAuthenticatedLink": link, "participants": [{"name": "Ana", "id": "a"}], "durationSec": 5}
    message = {
        "idempotencyKey": "k1",
        "customerId": "c",
        "appId": "app",
        "fqn": "app/room",
        "timestamp": 1,
        "data": data,
    }
    return json.dumps(message | {"eventType": event}).encode()


def test_the_signature_is_that_of_the_published_vector() -> None:
    assert signature(b'{"a":1}', 1700000000) == "FpilC8dNH/HbhcTgpSl8Ktn9uiRdVzfNt4nkzG4JiUA="


def test_an_uploaded_recording_becomes_one_job(gateway: Gateway) -> None:
    with serving(Reply(body=MP4)) as server:
        body = uploaded(f"{server.url}/recording?signature=abc")
        for _ in range(3):
            assert post(gateway, PATH, body, signed(body)).json() == {"accepted": True}
        (job,) = imported(gateway)
        assert soon(lambda: imports(gateway)[0]["status"] == "done")
        assert [one.path for one in server.asked] == ["/recording?signature=abc"]
    assert job.job.recording.name == "jitsi.mp4" and len(jobs(gateway)) == 1
    assert job.metadata == {"source": {"platform": "jaas", "app_id": "app", "room": "app/room"}}


def test_milliseconds_and_other_schemes_are_accepted(gateway: Gateway) -> None:
    body = uploaded("https://jitsi.example/x", event="ROOM_CREATED")
    now = int(time.time() * 1000)
    header = f"t={now}, v0=abc=, v1={signature(body, now)}"
    assert post(gateway, PATH, body, {"X-Jaas-Signature": header}).status_code == 200
    assert not imports(gateway)


def test_forged_stale_and_malformed_webhooks_are_refused(gateway: Gateway) -> None:
    body = uploaded("https://jitsi.example/x")
    now = int(time.time())
    wrong = [
        "",
        f"t={now}",
        f"t={now},v1=",
        f"t={now},v2={signature(body, now)}",
        f"t={now + 1},v1={signature(body, now)}",
        f"v1={signature(body, '')}",
        f"t={now - 301},v1={signature(body, now - 301)}",
        f"t=1e9,v1={signature(body, '1e9')}",
    ]
    for header in wrong:
        assert refused(gateway, post(gateway, PATH, body, {"X-Jaas-Signature": header})), header
    assert refused(gateway, post(gateway, PATH, b"{}", signed(b"{}")), 422, "invalid_request")
    large = b" " * ((1 << 20) + 1)
    assert refused(gateway, post(gateway, PATH, large, signed(large)), 413, "upload_too_large")
