"""Uploads of Nextcloud Talk's recording server, as its own code sends them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from secrets import token_urlsafe

import httpx
import pytest
from pydantic import SecretStr

from services.gateway.connectors.settings import ConnectorsSettings, NextcloudSettings
from tests.gateway.conftest import Open
from tests.gateway.connectors.announcing import imports, jobs, refused
from tests.gateway.serving import MP4, Gateway

SECRET = "the secret of the recording server"  # noqa: S105
TOKEN = "a1b2c3d4"  # noqa: S105 - of a conversation
ROOM = f"/ocs/v2.php/apps/spreed/api/v1/recording/{TOKEN}"


@pytest.fixture
def gateway(opened: Open) -> Iterator[Gateway]:
    settings = NextcloudSettings(secret=SecretStr(SECRET), tenant="ours")
    with opened(connectors=ConnectorsSettings(nextcloud=settings)) as one:
        yield one


def signed(content: bytes = TOKEN.encode(), random: str | None = None, secret: str = SECRET) -> dict[str, str]:
    chosen = token_urlsafe(64) if random is None else random
    checksum = hmac.new(secret.encode(), chosen.encode() + content, hashlib.sha256).hexdigest()
    return {"Talk-Recording-Random": chosen, "Talk-Recording-Checksum": checksum, "OCS-ApiRequest": "true"}


def upload(gateway: Gateway, headers: dict[str, str], content: bytes = MP4) -> httpx.Response:
    files = {
        "file": ("Recording 2026-11-26.webm", content),
        "intervalsFile": ("speaking times.json", b"{}"),
    }
    return httpx.post(f"{gateway.url}{ROOM}/store", data={"owner": "ana"}, files=files, headers=headers, timeout=20)


def test_the_recording_server_falls_back_to_one_request_and_its_file_becomes_a_job(gateway: Gateway) -> None:
    asked = httpx.post(f"{gateway.url}{ROOM}/request-upload", json={"owner": "ana"}, headers=signed())
    assert asked.status_code == 404
    answer = upload(gateway, signed())
    assert (answer.status_code, answer.json()["ocs"]["meta"]["statuscode"]) == (200, 200), answer.text
    (job,) = jobs(gateway)
    assert job.job.recording.name == "Recording 2026-11-26.webm"
    assert job.metadata == {"source": {"platform": "nextcloud", "conversation": TOKEN}}
    assert [(one["status"], one["job_id"]) for one in imports(gateway)] == [("done", job.id)]


def test_a_repeated_upload_makes_one_job(gateway: Gateway) -> None:
    headers = signed()
    assert [upload(gateway, headers, content).status_code for content in (MP4, MP4, MP4 + b"other")] == [200] * 3
    assert len(jobs(gateway)) == 1


def test_an_upload_that_failed_can_be_repeated(gateway: Gateway) -> None:
    headers = signed()
    assert upload(gateway, headers, b"<html>").status_code == 422
    assert [one["error"] for one in imports(gateway)] == ["unsupported_media"] and not gateway.blobs()
    assert upload(gateway, headers).status_code == 200
    assert len(jobs(gateway)) == 1 and imports(gateway)[0]["status"] == "done"


def test_notifications_are_answered(gateway: Gateway) -> None:
    body = b'{"type": "started"}'
    path = f"{gateway.url}{ROOM.removesuffix(TOKEN)}backend"
    assert httpx.post(path, content=body, headers=signed(body)).status_code == 200
    assert refused(gateway, httpx.post(path, content=body + b" ", headers=signed(body)))


def test_forged_and_malformed_uploads_are_refused(gateway: Gateway) -> None:
    for headers in ({}, signed(b"other"), signed(secret="other"), signed(random="short")):  # noqa: S106
        assert refused(gateway, upload(gateway, headers)), headers
    answer = httpx.post(f"{gateway.url}{ROOM}/store", json={"fileName": "x"}, headers=signed())
    assert refused(gateway, answer, 415, "unsupported_content_type")


def test_an_oversized_upload_is_refused(opened: Open) -> None:
    settings = NextcloudSettings(secret=SecretStr(SECRET), tenant="ours")
    with opened(connectors=ConnectorsSettings(nextcloud=settings), max_upload_mb=1) as gateway:
        assert refused(gateway, upload(gateway, signed(), MP4 * 100), 413, "upload_too_large")
