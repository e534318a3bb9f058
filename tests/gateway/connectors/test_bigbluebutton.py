"""BigBlueButton's callback, its API, and captions, against a small server that checks checksums."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from services.gateway.connectors.settings import BigBlueButtonSettings, ConnectorsSettings
from tests.gateway.compat.finished_jobs import fail, finish
from tests.gateway.conftest import Open
from tests.gateway.connectors.announcing import imported, imports, jobs, post, refused, soon
from tests.gateway.connectors.bigbluebutton_server import SECRET, BigBlueButtonServer, serving_bigbluebutton
from tests.gateway.serving import Gateway

PATH = "/v1/connectors/bigbluebutton"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def server() -> Iterator[BigBlueButtonServer]:
    with serving_bigbluebutton() as one:
        yield one


def settings(server: BigBlueButtonServer, **more: Any) -> ConnectorsSettings:
    secret = SecretStr(SECRET)
    found = BigBlueButtonSettings(secret=secret, url=server.url, tenant="ours", **more)
    return ConnectorsSettings(bigbluebutton=found)


@pytest.fixture
def gateway(opened: Open, server: BigBlueButtonServer) -> Iterator[Gateway]:
    with opened(connectors=settings(server)) as one:
        yield one


def token(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    parts = [json.dumps({"alg": algorithm}), json.dumps(claims)]
    signed = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def callback(record: object = "rec-1", **more: Any) -> bytes:
    return urlencode({"signed_parameters": token({"meeting_id": "m", "record_id": record}, **more)}).encode()


def test_a_ready_recording_becomes_one_job(gateway: Gateway, server: BigBlueButtonServer) -> None:
    for _ in range(3):
        assert post(gateway, PATH, callback(), FORM).json() == {"accepted": True}
    (job,) = imported(gateway)
    assert soon(lambda: imports(gateway)[0]["status"] == "done")
    assert len(jobs(gateway)) == 1 and job.job.recording.name == "webcams.webm"
    assert job.metadata == {"source": {"platform": "bigbluebutton", "record_id": "rec-1"}}
    assert server.refused == 0, "every checksum was right"


def test_a_record_that_the_server_does_not_have_makes_no_job(gateway: Gateway) -> None:
    assert post(gateway, PATH, callback("unknown"), FORM).status_code == 200
    assert soon(lambda: imports(gateway)[0]["error"] == "outbound_failed")
    assert not jobs(gateway)


def test_a_recording_without_sound_fails_with_a_reason(gateway: Gateway, server: BigBlueButtonServer) -> None:
    server.files.clear()
    post(gateway, PATH, callback(), FORM)
    assert soon(lambda: imports(gateway)[0]["status"] == "failed")
    assert imports(gateway)[0]["error"] == "invalid_request"


def test_a_lost_callback_is_found_by_the_search(opened: Open, server: BigBlueButtonServer) -> None:
    server.callback = f"https://undertone.example{PATH}?x=1"
    with opened(connectors=settings(server)) as gateway:
        (job,) = imported(gateway)
        assert job.metadata["source"] == {"platform": "bigbluebutton", "record_id": "rec-1"}


def test_recordings_of_others_are_not_searched(gateway: Gateway, server: BigBlueButtonServer) -> None:
    assert soon(lambda: "getRecordings" in server.calls)
    assert not imports(gateway)


def test_captions_are_sent_back_when_the_job_is_done(opened: Open, server: BigBlueButtonServer) -> None:
    with opened(connectors=settings(server, captions=True)) as gateway:
        post(gateway, PATH, callback(), FORM)
        (job,) = imported(gateway)
        finish(gateway, job.id)
        assert soon(lambda: imports(gateway)[0]["status"] == "done")
    ((query, track),) = server.tracks
    assert (query["recordID"], query["kind"], query["lang"]) == ("rec-1", "subtitles", "en")
    assert track.startswith("WEBVTT") and "<v " in track and server.refused == 0


def test_a_failed_job_sends_no_captions(opened: Open, server: BigBlueButtonServer) -> None:
    with opened(connectors=settings(server, captions=True)) as gateway:
        post(gateway, PATH, callback(), FORM)
        fail(gateway, imported(gateway)[0].id)
        assert soon(lambda: imports(gateway)[0]["status"] == "done")
    assert not server.tracks


def test_an_answer_of_success_without_its_key_is_a_failure(opened: Open, server: BigBlueButtonServer) -> None:
    server.caption_key = "upload_text_track_failed"
    with opened(connectors=settings(server, captions=True)) as gateway:
        post(gateway, PATH, callback(), FORM)
        finish(gateway, imported(gateway)[0].id)
        assert soon(lambda: imports(gateway)[0]["error"] == "outbound_failed")
        assert imports(gateway)[0]["status"] == "pending", "it is tried again"


def test_a_wrong_secret_of_the_server_is_an_error_of_the_import(opened: Open, server: BigBlueButtonServer) -> None:
    server.secret = "changed"  # noqa: S105
    with opened(connectors=settings(server)) as gateway:
        post(gateway, PATH, callback(), FORM)
        assert soon(lambda: imports(gateway)[0]["error"] == "outbound_failed")


def test_forged_and_malformed_callbacks_are_refused(gateway: Gateway) -> None:
    wrong = [
        b"",
        b"signed_parameters=",
        b"signed_parameters=a.b.c",
        b"\xff\xfe=\x00",
        callback(secret="other"),  # noqa: S106
        callback(algorithm="none"),
        callback(record=""),
        callback(record=7),
        callback(record="x" * 256),
        urlencode({"signed_parameters": token({})}).encode(),
    ]
    for body in wrong:
        assert refused(gateway, post(gateway, PATH, body, FORM)), body
    assert refused(gateway, post(gateway, PATH, b"x" * ((1 << 20) + 1), FORM), 413, "upload_too_large")
