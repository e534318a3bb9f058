"""Zoom's webhooks, signed as Zoom's documentation says, and the download of its files."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from services.gateway.connectors.settings import ConnectorsSettings, ZoomSettings
from tests.gateway.conftest import Open
from tests.gateway.connectors.announcing import VTT, imported, imports, jobs, post, refused, soon
from tests.gateway.serving import MP4, WAV, Gateway, logged
from tests.local_server import LocalServer, Reply, serving

PATH = "/v1/connectors/zoom"
SECRET = "s3cret"  # noqa: S105 - that of the published vector
TOKEN = "eyJ-download-token"  # noqa: S105


@pytest.fixture
def gateway(opened: Open) -> Iterator[Gateway]:
    settings = ZoomSettings(secret_token=SecretStr(SECRET), tenant="ours", options='{"purpose": "research"}')
    with opened(connectors=ConnectorsSettings(zoom=settings)) as one:
        yield one


def signed(body: bytes, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-zm-signature": f"v0={digest}", "x-zm-request-timestamp": timestamp}


def recording_files(server: str) -> list[dict[str, str]]:
    return [
        {"id": "f1", "file_type": "M4A", "file_extension": "M4A", "download_url": f"{server}/audio"},
        {"id": "f2", "file_type": "MP4", "file_extension": "MP4", "download_url": f"{server}/video"},
        {"id": "f3", "file_type": "TRANSCRIPT", "file_extension": "VTT", "download_url": f"{server}/vtt"},
    ]


def completed(server: str, **meeting: Any) -> bytes:
    files = [file | {"status": "completed"} for file in recording_files(server)]
    people = [
        {
            "id": "p1",
            "file_name": "Audio only - Ana Dr. Silva",
            "file_extension": "WAV",
            "download_url": f"{server}/ana",
        },
        {"id": "p2", "file_name": "Audio only - Ben", "file_extension": "WAV", "download_url": f"{server}/ben"},
    ]
    recording = {
        "uuid": "abc==",
        "id": 123,
        "topic": "Payroll",
        "recording_files": files,
        "participant_audio_files": people,
    }
    payload = {"account_id": "acc", "object": recording | meeting}
    event = {"event": "recording.completed", "event_ts": 1, "download_token": TOKEN, "payload": payload}
    return json.dumps(event).encode()


def test_the_url_is_validated_as_in_the_published_vector(opened: Open) -> None:
    body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"abc"}}'
    headers = signed(body)
    assert signed(body, 1700000000)["x-zm-signature"] == (
        "v0=80693d96a696edb9aa22a49fc522cad7d2f3bb14e71860255357451f8f8519c0"
    )
    with opened(connectors=ConnectorsSettings(zoom=ZoomSettings(secret_token=SecretStr(SECRET)))) as gateway:
        answer = post(gateway, PATH, body, headers)
    encrypted = "4f2f30aaf4a57bd60ab473c8e9c2cdfefc186723d4727ed6f31f04353c91389a"
    assert (answer.status_code, answer.json()) == (200, {"plainToken": "abc", "encryptedToken": encrypted})


@pytest.fixture
def zoom_files() -> Iterator[LocalServer]:
    with serving(Reply(body=MP4), Reply(body=WAV + b"ana"), Reply(body=WAV + b"ben"), Reply(body=VTT)) as server:
        yield server


def test_a_recording_becomes_a_job_with_tracks_and_transcript(gateway: Gateway, zoom_files: LocalServer) -> None:
    body = completed(zoom_files.url)
    began = time.monotonic()
    answer = post(gateway, PATH, body, signed(body))
    assert (answer.status_code, answer.json(), time.monotonic() - began < 3) == (200, {"accepted": True}, True)
    (job,) = imported(gateway)
    assert job.job.recording.name == "zoom.mp4"
    assert [track.name for track in job.job.tracks] == ["Ana Dr. Silva", "Ben"]
    assert job.job.platform_transcript is not None and job.job.options.purpose == "research"
    assert job.metadata == {
        "source": {"platform": "zoom", "account_id": "acc", "meeting_uuid": "abc==", "file_id": "f2"}
    }
    assert [one.path for one in zoom_files.asked] == ["/video", "/ana", "/ben", "/vtt"]
    assert {one.headers["authorization"] for one in zoom_files.asked} == {f"Bearer {TOKEN}"}
    assert soon(lambda: imports(gateway)[0]["status"] == "done")
    assert imports(gateway)[0]["job_id"] == job.id


def test_tracks_begin_when_zoom_began_to_record_the_participant(gateway: Gateway, zoom_files: LocalServer) -> None:
    event = json.loads(completed(zoom_files.url))
    meeting = event["payload"]["object"]
    meeting["recording_files"][1]["recording_start"] = "2026-11-26T10:00:00Z"
    ana, ben = meeting["participant_audio_files"]
    ana |= {"recording_start": "2026-11-26T10:00:00Z", "recording_end": "2026-11-26T10:20:00Z"}
    ben |= {"recording_start": "2026-11-26T11:07:30+01:00", "recording_end": ""}
    body = json.dumps(event).encode()
    post(gateway, PATH, body, signed(body))
    (job,) = imported(gateway)
    assert {track.name: track.start for track in job.job.tracks} == {"Ana Dr. Silva": 0.0, "Ben": 450.0}


def test_a_participant_who_rejoined_has_two_tracks(gateway: Gateway) -> None:
    with serving(Reply(body=MP4), Reply(body=WAV), Reply(body=WAV + b"2")) as server:
        file = {"file_name": "Audio only - Ana", "file_extension": "WAV", "download_url": f"{server.url}/ana"}
        body = completed(
            server.url, recording_files=recording_files(server.url)[1:2], participant_audio_files=[file, file]
        )
        post(gateway, PATH, body, signed(body))
        (job,) = imported(gateway)
    assert [track.name for track in job.job.tracks] == ["Ana", "Ana (2)"]


def transcribed(server: str) -> bytes:
    file = {"id": "t1", "file_type": "TRANSCRIPT", "file_extension": "VTT", "download_url": f"{server}/vtt"}
    meeting = {"uuid": "abc==", "recording_files": [file | {"status": "completed"}]}
    payload = {"account_id": "acc", "object": meeting}
    event = {"event": "recording.transcript_completed", "download_token": "token-2", "payload": payload}
    return json.dumps(event).encode()


def test_a_transcript_that_follows_within_the_time_belongs_to_the_job(opened: Open) -> None:
    settings = ZoomSettings(secret_token=SecretStr(SECRET), tenant="ours", transcript_seconds=600)
    with (
        opened(connectors=ConnectorsSettings(zoom=settings)) as gateway,
        serving(Reply(body=MP4), Reply(body=VTT)) as server,
    ):
        body = completed(server.url, recording_files=recording_files(server.url)[:2], participant_audio_files=[])
        post(gateway, PATH, body, signed(body))
        assert not jobs(gateway) and imports(gateway)[0]["next_attempt_at"] > imports(gateway)[0]["created_at"]
        later = transcribed(server.url)
        for _ in range(2):
            assert post(gateway, PATH, later, signed(later)).status_code == 200
        (job,) = imported(gateway)
        assert job.job.platform_transcript is not None
        assert job.metadata["source"] == {
            "platform": "zoom", "account_id": "acc", "meeting_uuid": "abc==", "file_id": "f2",
        }  # fmt: skip
        assert soon(lambda: {one["status"] for one in imports(gateway)} == {"done"})
        assert {one["job_id"] for one in imports(gateway)} == {job.id} and len(imports(gateway)) == 2
        tokens = {one.path: one.headers["authorization"] for one in server.asked}
        assert tokens == {"/video": f"Bearer {TOKEN}", "/vtt": "Bearer token-2"}


def test_a_transcript_after_the_job_began_is_recorded_as_too_late(gateway: Gateway) -> None:
    with serving(Reply(body=MP4), Reply(body=VTT)) as server:
        body = completed(server.url, recording_files=recording_files(server.url)[:2], participant_audio_files=[])
        post(gateway, PATH, body, signed(body))
        (job,) = imported(gateway)
        later = transcribed(server.url)
        post(gateway, PATH, later, signed(later))
        assert soon(lambda: imports(gateway)[0]["status"] == "failed")
        assert [one.path for one in server.asked] == ["/video"], "it is not even fetched"
    assert imports(gateway)[0]["error"] == "transcript_too_late" and jobs(gateway) == (job,)
    with gateway.client() as client:
        entry = client.get("/v1/audit").json()["items"][0]
    assert (entry["action"], entry["subject"]) == ("import.failed", imports(gateway)[0]["id"])
    assert entry["details"] == {"connector": "zoom", "error": "transcript_too_late"}


def test_repeated_deliveries_make_one_job(gateway: Gateway, zoom_files: LocalServer) -> None:
    body = completed(zoom_files.url)
    for at in (time.time() - 2, time.time() - 1, time.time()):
        assert post(gateway, PATH, body, signed(body, at)).status_code == 200
    imported(gateway)
    assert post(gateway, PATH, body, signed(body)).status_code == 200, "a delivery after the job exists"
    assert soon(lambda: imports(gateway)[0]["status"] == "done")
    assert len(jobs(gateway)) == len(imports(gateway)) == 1


def test_the_download_token_is_neither_logged_nor_stored_as_text(
    gateway: Gateway, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(Reply(status=401)) as server:
        body = completed(server.url)
        post(gateway, PATH, body, signed(body))
        log = logged(capfd, "gateway.import_failed")
    (one,) = imports(gateway)
    assert (one["status"], one["error"], one["attempts"]) == ("pending", "outbound_failed", 1)
    stored = b"".join(path.read_bytes() for path in gateway.folder.glob("undertone.db*"))
    for secret in (TOKEN, server.url, "Ana Dr. Silva", "Payroll"):
        assert secret.encode() not in stored and secret not in log, secret


def test_a_sign_in_page_instead_of_the_file_ends_the_import(gateway: Gateway) -> None:
    with serving(Reply(body=b"<html>Sign in</html>")) as server:
        body = completed(server.url)
        post(gateway, PATH, body, signed(body))
        assert soon(lambda: imports(gateway)[0]["status"] == "failed")
    assert imports(gateway)[0]["error"] == "unsupported_media" and not jobs(gateway) and not gateway.blobs()


def test_an_unreadable_transcript_is_left_out(gateway: Gateway) -> None:
    with serving(Reply(body=MP4), Reply(body=b"<html>")) as server:
        body = completed(server.url, participant_audio_files=[])
        post(gateway, PATH, body, signed(body))
        (job,) = imported(gateway)
    assert job.job.platform_transcript is None


def test_forged_stale_and_malformed_webhooks_are_refused(gateway: Gateway, capfd: pytest.CaptureFixture[str]) -> None:
    body = completed("https://zoom.example")
    now = time.time()
    wrong = [
        {},
        signed(body, secret="other"),  # noqa: S106
        signed(body + b" "),
        signed(body, now - 301),
        signed(body, now + 600),
        signed(body) | {"x-zm-request-timestamp": "soon"},
        signed(body) | {"x-zm-signature": "v0="},
        signed(body) | {"x-zm-signature": "é".encode().decode("latin-1")},
    ]
    for headers in wrong:
        assert refused(gateway, post(gateway, PATH, body, headers)), headers
    assert "gateway.announcement_refused" in logged(capfd, "gateway.announcement_refused", len(wrong))
    for malformed in (b"{", b"[]", b'{"event": 1}', b"\xff\xfe"):
        assert refused(gateway, post(gateway, PATH, malformed, signed(malformed)), 422, "invalid_request"), malformed
    large = b" " * (1 << 20) + b"{}"
    assert refused(gateway, post(gateway, PATH, large, signed(large)), 413, "upload_too_large")


def test_other_events_and_meetings_without_sound_need_no_action(gateway: Gateway) -> None:
    for body in (b'{"event":"meeting.started","payload":{}}', completed("https://zoom.example", recording_files=[])):
        assert post(gateway, PATH, body, signed(body)).status_code == 200
    assert not imports(gateway)


def test_a_connector_without_its_secret_is_off(opened: Open) -> None:
    with opened() as gateway, gateway.client() as client:
        assert client.post(PATH, content=b"{}").status_code == 404
        answer = post(gateway, PATH, b"{}", signed(b"{}"))
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key"), "the response to the platform"
