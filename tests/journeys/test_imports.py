"""Imports by a whole service: no import is lost when the gateway is killed, and words of tracks have meeting times."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from tests.local_server import Reply, serving
from tests.running_service import cut, spread
from tests.served import Served, serving_undertone, until

api = pytest.importorskip("livekit.api", reason="the SDKs are missing (make sdks)")
pytestmark = pytest.mark.slow

SECRET = "a-secret-of-at-least-thirty-two-bytes"  # noqa: S105
ENGINES = json.dumps({"engines": {"asr": "pocketsphinx", "faces": "cascade"}})
SETTINGS = {
    "ZOOM__SECRET_TOKEN": SECRET,
    "ZOOM__OPTIONS": ENGINES,
    "LIVEKIT__API_KEY": "APIkey",
    "LIVEKIT__API_SECRET": SECRET,
    "LIVEKIT__OPTIONS": ENGINES,
    "LIVEKIT__SETTLE_SECONDS": "2",
}
LEASE_SECONDS = 90  # of an attempt that was killed, until the next one may begin

Delivery = tuple[str, bytes, Callable[[bytes], dict[str, str]]]  # the connector, the body, and what signs it


def zoom(url: str) -> Delivery:
    file = {"id": "f1", "file_type": "MP4", "file_extension": "MP4", "download_url": url}
    meeting = {"uuid": "u==", "recording_files": [file]}
    body = {"event": "recording.completed", "download_token": "t", "payload": {"object": meeting}}
    return "zoom", json.dumps(body).encode(), signed_by_zoom


def signed_by_zoom(body: bytes) -> dict[str, str]:
    now = str(int(time.time()))
    digest = hmac.new(SECRET.encode(), f"v0:{now}:".encode() + body, hashlib.sha256).hexdigest()
    return {"x-zm-request-timestamp": now, "x-zm-signature": f"v0={digest}"}


def livekit(url: str, began: float = 0.0, **more: object) -> Delivery:
    file = {"filename": "a.mp4", "location": url, "startedAt": str(round(began * 1e9))}
    egress = {"egressId": f"EG_{began}", "roomId": "RM_1", "status": "EGRESS_COMPLETE", "fileResults": [file]}
    body = {"event": "egress_ended", "egressInfo": egress | more}
    return "livekit", json.dumps(body).encode(), signed_by_livekit


def signed_by_livekit(body: bytes) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    token = api.AccessToken("APIkey", SECRET).with_ttl(timedelta(minutes=5)).with_sha256(digest).to_jwt()
    return {"Authorization": token}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    with serving_undertone(tmp_path, **SETTINGS) as running:
        yield running


def deliver(service: Served, delivery: Delivery) -> None:
    connector, body, sign = delivery
    answer = httpx.post(f"{service.address}/v1/connectors/{connector}", content=body, headers=sign(body), timeout=3)
    assert answer.status_code == 200, answer.text


def kill_gateway(service: Served) -> None:
    before = service.children()["services.cli.web"]
    os.kill(before, signal.SIGKILL)
    until(lambda: service.children().get("services.cli.web") not in (None, before), "the gateway")
    until(lambda: listens(service), "the port of the gateway")


def listens(service: Served) -> bool:
    try:
        return httpx.get(f"{service.address}/livez", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def items(service: Served, path: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = httpx.get(f"{service.address}{path}", timeout=30).json()["items"]
    return found


def assert_one_job(service: Served, recording: Path) -> None:
    until(
        lambda: [one["status"] for one in items(service, "/v1/jobs")] == ["done"],
        f"one job that is done: {items(service, '/v1/imports')} {items(service, '/v1/jobs')}",
        LEASE_SECONDS + 120,
    )
    (job,) = items(service, "/v1/jobs")
    assert [(one["status"], one["job_id"]) for one in items(service, "/v1/imports")] == [("done", job["id"])]
    assert httpx.get(f"{service.address}/v1/jobs/{job['id']}/media", timeout=30).content == recording.read_bytes()


@pytest.mark.parametrize("platform", [zoom, livekit])
def test_a_kill_right_after_the_answer_loses_nothing(
    service: Served, tmp_path: Path, platform: Callable[[str], Delivery]
) -> None:
    recording = cut(tmp_path / "short.mp4", seconds=4.0)
    with serving(Reply(body=recording.read_bytes())) as files:
        delivery = platform(f"{files.url}/a.mp4")
        deliver(service, delivery)
        kill_gateway(service)
        deliver(service, delivery)
        assert_one_job(service, recording)


@pytest.mark.parametrize("platform", [zoom, livekit])
def test_a_kill_in_the_middle_of_a_file_loses_nothing(
    service: Served, tmp_path: Path, platform: Callable[[str], Delivery]
) -> None:
    recording = cut(tmp_path / "short.mp4", seconds=4.0)
    content = recording.read_bytes()
    begun, killed = threading.Event(), threading.Event()

    def stop_in_the_middle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        handler.wfile.flush()
        begun.set()
        killed.wait(60)

    with serving(Reply(raw=stop_in_the_middle), Reply(body=content)) as files:
        delivery = platform(f"{files.url}/a.mp4")
        deliver(service, delivery)
        assert begun.wait(60), service.logs()
        deliver(service, delivery)
        kill_gateway(service)
        killed.set()
        deliver(service, delivery)
        assert_one_job(service, recording)
        assert len(files.asked) == 2


def test_words_of_tracks_have_the_times_of_the_meeting(service: Served, tmp_path: Path) -> None:
    """Ana joins 5 s after the recording began; Ben is recorded from 2.5 s before."""
    meeting = spread(tmp_path / "meeting.wav", (7.0, 12.5), 18.0)
    ana, ben = spread(tmp_path / "ana.wav", (2.0,), 8.0), spread(tmp_path / "ben.wav", (15.0,), 20.0)
    began = 1_764_000_000.0
    files = {
        meeting: livekit("", began),
        ana: livekit("", began + 5, participant={"identity": "Ana"}),
        ben: livekit("", began - 2.5, participant={"identity": "Ben"}),
    }
    with ExitStack() as servers:
        for path, (connector, body, sign) in files.items():
            url = servers.enter_context(serving(Reply(body=path.read_bytes()))).url
            deliver(service, (connector, body.replace(b'"location": ""', f'"location": "{url}/a"'.encode()), sign))
        until(lambda: [one["status"] for one in items(service, "/v1/jobs")] == ["done"], "the job", 180)
    (job,) = items(service, "/v1/jobs")
    transcript = httpx.get(f"{service.address}/v1/transcripts/{job['id']}", timeout=30).json()
    names = {speaker["id"]: speaker["name"] for speaker in transcript["speakers"]}
    starts = {names[one["speaker"]]: one["start"] for one in reversed(transcript["utterances"])}
    assert starts == {"Ana": pytest.approx(7.0, abs=0.7), "Ben": pytest.approx(12.5, abs=0.7)}
