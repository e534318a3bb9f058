"""Announcements of any other program, signed by the reference library of Standard Webhooks."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from services.gateway.connectors.settings import ConnectorsSettings, GenericSettings
from shared.infra.secret_encryption import new_webhook_secret
from tests.gateway.conftest import Open
from tests.gateway.connectors.announcing import imported, imports, jobs, post, refused, soon
from tests.gateway.serving import MP4, WAV, Gateway
from tests.local_server import Reply, serving

PATH = "/v1/connectors/generic"
SECRET = new_webhook_secret()


@pytest.fixture
def gateway(opened: Open) -> Iterator[Gateway]:
    with opened(connectors=ConnectorsSettings(generic=GenericSettings(secret=SecretStr(SECRET), tenant="ours"))) as one:
        yield one


def signed(
    body: bytes, *, message: str = "msg_1", secret: str = SECRET, age: timedelta = timedelta(0)
) -> dict[str, str]:
    at = datetime.now(UTC) - age
    signature = Webhook(secret).sign(message, at, body.decode())
    stamp = str(int(at.timestamp()))
    return {"webhook-id": message, "webhook-timestamp": stamp, "webhook-signature": f"v1,AAAA {signature}"}


def ready(url: str) -> bytes:
    tracks = [{"url": f"{url}/ana", "name": "Ana", "start": 2.5}]
    return json.dumps({"type": "recording.ready", "data": {"url": url, "name": "a.mp4", "tracks": tracks}}).encode()


def test_a_recording_becomes_one_job(gateway: Gateway) -> None:
    with serving(Reply(body=MP4), Reply(body=WAV)) as server:
        body = ready(server.url)
        for age in (2, 1, 0):
            assert post(gateway, PATH, body, signed(body, age=timedelta(seconds=age))).status_code == 200
        (job,) = imported(gateway)
        assert soon(lambda: imports(gateway)[0]["status"] == "done")
    assert len(jobs(gateway)) == 1 and [(track.name, track.start) for track in job.job.tracks] == [("Ana", 2.5)]
    assert job.metadata == {"source": {"platform": "generic", "message": "msg_1"}}


def test_forged_stale_and_malformed_webhooks_are_refused(gateway: Gateway) -> None:
    body = ready("https://files.example")
    other = "whsec_" + base64.b64encode(bytes(24)).decode()
    wrong = [
        {},
        signed(body, secret=other),
        signed(body + b" "),
        signed(body, age=timedelta(seconds=301)),
        signed(body, age=timedelta(seconds=-600)),
        signed(body) | {"webhook-id": "msg_2"},
        signed(body, message="m" * 256),
    ]
    for headers in wrong:
        assert refused(gateway, post(gateway, PATH, body, headers)), headers
    for malformed in (b"{", b'{"type": "recording.ready", "data": {}}'):
        assert refused(gateway, post(gateway, PATH, malformed, signed(malformed)), 422, "invalid_request")
    large = b" " * ((1 << 20) + 1)
    assert refused(gateway, post(gateway, PATH, large, signed(large)), 413, "upload_too_large")
    nothing = b'{"type": "webhook.test", "data": null}'
    assert post(gateway, PATH, nothing, signed(nothing)).status_code == 200 and not imports(gateway)
