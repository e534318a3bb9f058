"""LiveKit's webhooks, signed by its own package."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from obstore.store import MemoryStore
from pydantic import SecretStr
from starlette.datastructures import Headers

from services.gateway.connectors.connector import RemoteFile
from services.gateway.connectors.livekit import LiveKit
from services.gateway.connectors.settings import ConnectorsSettings, LiveKitSettings
from shared.infra.objects_bucket import ObjectsBucket
from tests.gateway.conftest import Open
from tests.gateway.connectors.announcing import imported, imports, jobs, post, refused, soon
from tests.gateway.serving import MP4, WAV, Gateway
from tests.local_server import LocalServer, Reply, serving

api = pytest.importorskip("livekit.api", reason="the SDKs are missing (make sdks)")

PATH = "/v1/connectors/livekit"
KEY, SECRET = "APIkey", "a-secret-of-at-least-thirty-two-bytes"


def settings(**more: Any) -> LiveKitSettings:
    return LiveKitSettings(api_key=KEY, api_secret=SecretStr(SECRET), tenant="ours", **more)


@pytest.fixture
def gateway(opened: Open) -> Iterator[Gateway]:
    with opened(connectors=ConnectorsSettings(livekit=settings(settle_seconds=1))) as one:
        yield one


def signed(
    body: bytes, *, key: str = KEY, secret: str = SECRET, ttl: timedelta = timedelta(minutes=5)
) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    token = api.AccessToken(key, secret).with_ttl(ttl).with_sha256(digest).to_jwt()
    return {"Authorization": token, "Content-Type": "application/webhook+json"}


def ended(location: str, egress: str = "EG_1", span: tuple[float, float] | None = None, **more: Any) -> bytes:
    """`span`: when the file begins and ends, in seconds."""
    file = {"filename": "rooms/a b.mp4", "location": location, "size": "1234", "duration": "12500000000"}
    if span is not None:
        file |= {name: str(round(at * 1e9)) for name, at in zip(("startedAt", "endedAt"), span, strict=True)}
    info = {"egressId": egress, "roomId": "RM_1", "roomName": "standup", "status": "EGRESS_COMPLETE"}
    event = {"event": "egress_ended", "id": f"EV_{egress}", "createdAt": "1700000000"}
    return json.dumps(event | {"egressInfo": info | {"fileResults": [file]} | more}).encode()


@pytest.fixture
def files() -> Iterator[LocalServer]:
    with serving(Reply(body=MP4), Reply(body=WAV), Reply(body=WAV + b"2")) as server:
        yield server


def test_our_verifier_agrees_with_that_of_the_package(gateway: Gateway) -> None:
    body = ended("https://livekit.example/x")
    headers = signed(body)
    receiver = api.WebhookReceiver(api.TokenVerifier(KEY, SECRET))
    assert receiver.receive(body.decode(), headers["Authorization"]).event == "egress_ended"
    assert post(gateway, PATH, body, headers).status_code == 200


def test_the_egresses_of_a_room_become_one_job_with_tracks(gateway: Gateway, files: LocalServer) -> None:
    bodies = [
        ended(f"{files.url}/ana", "EG_2", participant={"identity": "Ana"}),
        ended(f"{files.url}/room", "EG_1"),
        ended(f"{files.url}/again", "EG_3", participant={"identity": "Ana"}),
    ]
    for body in (*bodies, bodies[0]):
        assert post(gateway, PATH, body, signed(body)).status_code == 200
    (job,) = imported(gateway)
    assert [one.path for one in files.asked] == ["/room", "/ana", "/again"]
    assert [track.name for track in job.job.tracks] == ["Ana", "Ana (2)"]
    assert soon(lambda: {one["status"] for one in imports(gateway)} == {"done"})
    assert {one["job_id"] for one in imports(gateway)} == {job.id} and len(imports(gateway)) == 3
    for body in bodies:
        assert post(gateway, PATH, body, signed(body)).status_code == 200
    assert len(jobs(gateway)) == 1


def test_tracks_begin_when_their_egress_began(gateway: Gateway) -> None:
    people = {"Ana": (1000.0, 1060.0), "Ben": (1012.5, 1050.0), "Eve": (990.25, 1020.0), "Max": (900.0, 1000.0)}
    with serving(Reply(body=MP4), *(Reply(body=WAV + name.encode()) for name in people)) as server:
        for number, (name, span) in enumerate(people.items()):
            body = ended(f"{server.url}/{name}", f"EG_{number}", span, participant={"identity": name})
            assert post(gateway, PATH, body, signed(body)).status_code == 200
        body = ended(f"{server.url}/room", "EG_room", (1000.0, 1060.0))
        assert post(gateway, PATH, body, signed(body)).status_code == 200
        (job,) = imported(gateway)
    starts = {track.name: track.start for track in job.job.tracks}
    assert starts == {"Ana": 0.0, "Ben": 12.5, "Eve": -9.75}, "Max had left before the recording began"


def test_the_earliest_participant_is_the_recording_of_a_room_without_one(gateway: Gateway) -> None:
    spans = {"Ana": (1003.0, 1060.0), "Ben": (1000.0, 1050.0)}
    with serving(Reply(body=MP4), Reply(body=WAV), Reply(body=WAV + b"2")) as server:
        for name, span in spans.items():
            body = ended(f"{server.url}/{name}", f"EG_{name}", span, participant={"identity": name})
            post(gateway, PATH, body, signed(body))
        (job,) = imported(gateway)
        assert [one.path for one in server.asked] == ["/Ben", "/Ana", "/Ben"]
    assert {track.name: track.start for track in job.job.tracks} == {"Ana": 3.0, "Ben": 0.0}


def test_a_wrong_clock_of_the_server_shifts_no_track(gateway: Gateway) -> None:
    with serving(Reply(body=MP4), Reply(body=WAV)) as server:
        for number, (at, more) in enumerate(((1e9, {}), (1e3, {"participant": {"identity": "Ana"}}))):
            body = ended(f"{server.url}/{number}", f"EG_{number}", (at, at + 60), **more)
            post(gateway, PATH, body, signed(body))
        (job,) = imported(gateway)
    assert [track.start for track in job.job.tracks] == [0.0]


def test_files_of_participants_alone_become_a_job(gateway: Gateway, files: LocalServer) -> None:
    body = ended(f"{files.url}/ana", participant={"identity": "Ana"})
    post(gateway, PATH, body, signed(body))
    (job,) = imported(gateway)
    assert [track.name for track in job.job.tracks] == ["Ana"]
    assert job.metadata["source"] == {"platform": "livekit", "egress_id": "EG_1", "room_id": "RM_1"}


def test_a_file_in_the_configured_bucket_is_read_from_it() -> None:
    bucket = ObjectsBucket(MemoryStore())
    bucket.write("rooms/a b.mp4", MP4)
    connector = LiveKit(settings(bucket="meet"), bucket)
    for location in (
        "s3://meet/rooms/a%20b.mp4",
        "https://meet.s3.amazonaws.com/rooms/a b.mp4",
        "https://minio.example:9000/meet/rooms/a%20b.mp4",
    ):
        body = ended(location)
        received = connector.verify_and_read(Headers(signed(body)), body, datetime.now(UTC))
        assert received.recording is not None and received.recording.mix is not None
        assert received.recording.mix.object == "rooms/a b.mp4", location
        assert b"".join(connector.read_own(received.recording.mix)) == MP4
    other = ended("https://elsewhere.example/rooms/a.mp4")
    received = connector.verify_and_read(Headers(signed(other)), other, datetime.now(UTC))
    assert received.recording is not None
    assert received.recording.mix == RemoteFile(url="https://elsewhere.example/rooms/a.mp4", name="rooms/a b.mp4")


def test_a_file_in_an_unknown_bucket_or_on_the_disk_of_the_server_is_refused(gateway: Gateway) -> None:
    for location in ("s3://other/x.mp4", "/out/x.mp4", "file:///etc/passwd"):
        body = ended(location)
        assert refused(gateway, post(gateway, PATH, body, signed(body)), 422, "invalid_request"), location


def test_forged_and_stale_webhooks_are_refused(gateway: Gateway) -> None:
    body = ended("https://livekit.example/x")
    good = signed(body)["Authorization"]
    wrong = [
        {},
        {"Authorization": f"Bearer {good}"},
        {"Authorization": good[:-2]},
        {"Authorization": "a.b.c"},
        {"Authorization": "." * 100},
        {"Authorization": _unsigned(body)},
        signed(body + b" "),
        signed(body, key="other"),
        signed(body, secret="another-secret-of-at-least-32-bytes"),  # noqa: S106
        signed(body, ttl=timedelta(seconds=-1)),
        {"Authorization": _token({"iss": KEY, "sha256": _digest(body)})},
        {"Authorization": _token({"iss": KEY, "sha256": _digest(body), "exp": "never"})},
        {"Authorization": _token({"iss": KEY, "exp": time.time() + 60})},
    ]
    for headers in wrong:
        assert refused(gateway, post(gateway, PATH, body, headers)), headers


def test_malformed_and_oversized_webhooks_are_refused(gateway: Gateway) -> None:
    for body in (b"{", b"[]", b'{"event": {}}', json.dumps({"event": "egress_ended", "egressInfo": {}}).encode()):
        assert refused(gateway, post(gateway, PATH, body, signed(body)), 422, "invalid_request"), body
    large = b" " * ((1 << 20) + 1)
    assert refused(gateway, post(gateway, PATH, large, signed(large)), 413, "upload_too_large")


def test_other_events_and_failed_egresses_need_no_action(gateway: Gateway) -> None:
    failed = ended("https://livekit.example/x", status="EGRESS_FAILED")
    for body in (b'{"event": "room_finished", "id": "EV_1"}', failed):
        assert post(gateway, PATH, body, signed(body)).status_code == 200
    assert not imports(gateway)


def _digest(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _token(claims: dict[str, Any], algorithm: str = "HS256") -> str:
    head = json.dumps({"alg": algorithm, "typ": "JWT"})
    signed_part = ".".join(
        base64.urlsafe_b64encode(one.encode()).decode().rstrip("=") for one in (head, json.dumps(claims))
    )
    digest = hmac.new(SECRET.encode(), signed_part.encode(), hashlib.sha256).digest()
    return f"{signed_part}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _unsigned(body: bytes) -> str:
    claims = {"iss": KEY, "sha256": _digest(body), "exp": time.time() + 60}
    return _token(claims, "none").rpartition(".")[0] + "."
