"""Resumable uploads: a standard tus client works, received bytes survive, and uploads expire."""

from __future__ import annotations

import base64
import io
import time
from datetime import timedelta

import httpx
import pytest
from tusclient.client import TusClient

from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, Gateway

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}


def begin(client: httpx.Client, length: int, **headers: str) -> str:
    answer = client.post("/v1/uploads", headers={**TUS, "Upload-Length": str(length), **headers})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def offset(client: httpx.Client, path: str) -> int:
    return int(client.head(path, headers=TUS).headers["upload-offset"])


def test_a_standard_client_uploads_and_the_upload_becomes_a_recording(gateway: Gateway, client: httpx.Client) -> None:
    content = MP4 * 40
    tus = TusClient(f"{gateway.url}/v1/uploads", headers=gateway.headers())
    uploader = tus.uploader(
        file_stream=io.BytesIO(content), chunk_size=100_000, metadata={"filename": "all hands.mp4", "empty": ""}
    )
    uploader.upload_chunk()
    resumed = tus.uploader(file_stream=io.BytesIO(content), url=uploader.url, chunk_size=200_000)
    assert resumed.get_offset() == 100_000
    resumed.upload()
    upload_id = str(uploader.url).rsplit("/", 1)[1]
    answer = client.post("/v1/recordings", json={"upload": upload_id, "language": "en"})
    assert answer.status_code == 202, answer.text
    record = gateway.context.jobs.find("ours", answer.json()["id"])
    assert record is not None and record.job.recording.name == "all hands.mp4"
    stored = gateway.context.intake.blobs.read("ours", f"jobs/{record.id}/media/recording")
    assert b"".join(stored) == content
    assert client.post("/v1/recordings", json={"upload": upload_id}).status_code == 404, (
        "an upload can be used only once"
    )


def test_an_upload_becomes_a_recording_with_its_transcript_and_tracks(gateway: Gateway, client: httpx.Client) -> None:
    path = begin(client, len(MP4))
    headers = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert client.patch(path, content=MP4, headers=headers).status_code == 204
    upload = path.rsplit("/", 1)[1]
    words = b"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nAna: Good morning.\n"
    files = {"track": ("Ana.mp4", MP4, "video/mp4"), "transcript": ("zoom.vtt", words, "text/vtt")}
    answer = client.post("/v1/recordings", data={"upload": upload, "language": "en"}, files=files)
    assert answer.status_code == 202, answer.text
    record = gateway.context.jobs.find("ours", answer.json()["id"])
    assert record is not None and record.job.platform_transcript is not None
    assert ([one.name for one in record.job.tracks], record.job.options.language) == (["Ana"], "en")
    assert client.head(path, headers=TUS).status_code == 404
    both = {"file": ("a.mp4", MP4, "video/mp4")}
    assert client.post("/v1/recordings", data={"upload": "0" * 32}, files=both).status_code == 404
    assert client.get("/v1/jobs").json()["items"][0]["id"] == record.id


def test_supported_tus_versions_are_public(gateway: Gateway) -> None:
    with gateway.client(None) as nobody:
        answer = nobody.options("/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0" and "creation" in answer.headers["tus-extension"]
    assert int(answer.headers["tus-max-size"]) == 5120 << 20


def test_an_upload_can_be_created_with_its_first_bytes(client: httpx.Client) -> None:
    answer = client.post("/v1/uploads", content=b"0123", headers={**BYTES, "Upload-Length": "10"})
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "4")
    path = answer.headers["location"]
    answer = client.patch(path, content=b"456789", headers={**BYTES, "Upload-Offset": "4"})
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, "10")
    assert "upload-expires" in answer.headers and answer.headers["tus-resumable"] == "1.0.0"
    head = client.head(path, headers=TUS)
    assert head.headers["upload-length"] == "10" and head.headers["cache-control"] == "no-store"


def test_the_method_override_header_is_supported(client: httpx.Client) -> None:
    path = begin(client, 4)
    renamed = {**BYTES, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert client.post(path, content=b"0123", headers=renamed).status_code == 204
    assert offset(client, path) == 4


def test_requests_against_the_protocol_are_rejected_and_change_nothing(client: httpx.Client) -> None:
    path = begin(client, 10)

    def patch(headers: dict[str, str], content: bytes = b"01") -> int:
        return client.patch(path, content=content, headers={**BYTES, "Upload-Offset": "0", **headers}).status_code

    assert patch({"Upload-Offset": "3"}) == 409
    assert patch({"Content-Type": "video/mp4"}) == 415
    assert patch({"Upload-Offset": "-1"}) == 400
    assert patch({}, b"0" * 11) == 413
    old = client.patch(path, content=b"01", headers={**BYTES, "Upload-Offset": "0", "Tus-Resumable": "0.2"})
    assert (old.status_code, old.headers["tus-version"]) == (412, "1.0.0")
    assert offset(client, path) == 0
    for headers in ({}, {"Upload-Length": "x"}, {"Upload-Defer-Length": "1"}):
        assert client.post("/v1/uploads", headers={**TUS, **headers}).status_code == 400
    assert client.post("/v1/uploads", headers={**TUS, "Upload-Length": str(6 << 40)}).status_code == 413
    for metadata in ("a !!!", "a YQ==,a YQ==", "a=b,a=b", "x" * 5000, "name ÿ"):
        sent = httpx.Headers({**TUS, "Upload-Length": "1", "Upload-Metadata": metadata}, encoding="latin-1")
        answer = client.post("/v1/uploads", headers=sent)
        assert answer.status_code == 400


def test_bytes_received_before_a_disconnect_are_kept(gateway: Gateway, client: httpx.Client) -> None:
    path = begin(client, 100_000)
    lines = [f"PATCH {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {gateway.keys['ours']}", "Upload-Offset: 0"]
    lines += ["Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream", "Content-Length: 100000", "", ""]
    gateway.raw("\r\n".join(lines).encode() + b"x" * 5000, timeout=0.5)
    for _ in range(100):
        if offset(client, path) == 5000:
            break
    assert offset(client, path) == 5000
    for _ in range(100):  # the first request may still hold the upload's lock
        rest = client.patch(path, content=b"y" * 95_000, headers={**BYTES, "Upload-Offset": "5000"})
        if rest.status_code != 423:
            break
        time.sleep(0.05)
    assert (rest.status_code, rest.headers["upload-offset"]) == (204, "100000")


def test_an_unfinished_upload_cannot_be_used_as_a_recording(client: httpx.Client) -> None:
    path = begin(client, 10)
    answer = client.post("/v1/recordings", json={"upload": path.rsplit("/", 1)[1]})
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    empty = begin(client, 0).rsplit("/", 1)[1]
    assert client.post("/v1/recordings", json={"upload": empty}).json()["code"] == "empty_file"


def test_a_deleted_or_expired_upload_returns_410(opened: Open) -> None:
    with opened(upload_hours=1e-9) as gateway, gateway.client() as client:
        path = begin(client, 10)
        deleted = client.head(path, headers=TUS)
        assert deleted.status_code == 410 and "upload-offset" not in deleted.headers
    with opened() as gateway, gateway.client() as client:
        path = begin(client, 10)
        assert client.delete(path, headers=TUS).status_code == 204
        assert client.head(path, headers=TUS).status_code == 404
        assert client.delete(path, headers=TUS).status_code == 404


def test_expired_uploads_are_deleted_by_the_sweep(gateway: Gateway) -> None:
    uploads, now = gateway.context.uploads, gateway.context.clock()
    expired = uploads.create("ours", 5, "", now - timedelta(hours=1))
    old = uploads.create("ours", 5, "", now - timedelta(days=2))
    kept = uploads.create("ours", 5, "", now + timedelta(hours=1))
    uploads.sweep()  # the gateway's own may have come first
    left = {path.name for path in (gateway.folder / "uploads" / "ours").iterdir()}
    assert old.id not in left and {expired.id, kept.id} <= left


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "..\\..\\escape", "a\0b\r\nX-Injected: 1"])
def test_a_file_name_in_the_metadata_is_never_a_path(gateway: Gateway, client: httpx.Client, name: str) -> None:
    metadata = f"filename {base64.b64encode(name.encode()).decode()}"
    path = begin(client, len(MP4), **{"Upload-Metadata": metadata})
    client.patch(path, content=MP4, headers={**BYTES, "Upload-Offset": "0"})
    job_id = client.post("/v1/recordings", json={"upload": path.rsplit("/", 1)[1]}).json()["id"]
    record = gateway.context.jobs.find("ours", job_id)
    assert record is not None
    assert not set(record.job.recording.name) & set("/\\\0\r\n")
    assert gateway.blobs() == [f"ours/jobs/{job_id}/media/recording"]
