"""Requests of a hostile client: slow, oversized, malformed and endless bodies leave no data behind."""

from __future__ import annotations

import resource
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from shared.infra.blobs_folder import FolderBlobs
from shared.infra.web import listener
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, Gateway, clean, eventually

MIB = 1 << 20


def head(gateway: Gateway, *lines: str, path: str = "/v1/recordings") -> bytes:
    start = (f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {gateway.keys['ours']}")
    return "\r\n".join((*start, *lines, "", "")).encode()


def test_a_body_over_the_limit_by_content_length_is_rejected_before_it_is_read(opened: Open) -> None:
    with opened(max_upload_mb=1) as gateway:
        response = gateway.raw(head(gateway, "Content-Type: video/mp4", f"Content-Length: {2 * MIB}"))
        assert (
            response.startswith(b"HTTP/1.1 413")
            and b"upload_too_large" in response
            and b"connection: close" in response.lower()
        )
        assert clean(gateway)


def test_a_client_that_continues_sending_receives_the_rejection(opened: Open) -> None:
    with opened(max_upload_mb=1) as gateway, gateway.client() as client:
        for _ in range(10):
            answer = client.post("/v1/recordings", content=MP4 * 200, headers={"content-type": "video/mp4"})
            assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")


@pytest.mark.parametrize("form", [True, False])
def test_a_body_over_the_limit_is_rejected_while_it_is_read(opened: Open, form: bool) -> None:
    def endless() -> Iterator[bytes]:
        if form:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        while True:
            yield MP4

    kind = "multipart/form-data; boundary=b" if form else "video/mp4"
    with opened(max_upload_mb=1) as gateway, gateway.client() as client:
        answer = client.post("/v1/recordings", content=endless(), headers={"content-type": kind})
        assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
        assert clean(gateway)


def test_a_stalled_body_times_out(opened: Open) -> None:
    with opened(idle_seconds=0.3) as gateway:
        for body in (b"", MP4[:100]):
            response = gateway.raw(head(gateway, "Content-Type: video/mp4", "Content-Length: 5000") + body)
            assert response.startswith(b"HTTP/1.1 408") and b"body_timeout" in response
        assert clean(gateway)


def test_a_body_shorter_than_its_length_leaves_nothing(gateway: Gateway) -> None:
    gateway.raw(head(gateway, "Content-Type: video/mp4", "Content-Length: 999999") + MP4, timeout=0.3)
    assert eventually(lambda: clean(gateway))


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: -5",),
        ("Content-Length: 5x",),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: " + "9" * 30,),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: gzip"),
    ],
)
def test_an_invalid_content_length_is_rejected(gateway: Gateway, lines: tuple[str, ...]) -> None:
    response = gateway.raw(head(gateway, "Content-Type: video/mp4", *lines) + MP4, timeout=2)
    assert response[9:10] == b"4", response[:60]
    assert clean(gateway)


def test_bytes_after_a_rejected_body_are_not_a_second_request(opened: Open) -> None:
    with opened(max_upload_mb=1) as gateway:
        smuggled = head(gateway, "Content-Length: 0", path="/v1/webhooks")
        response = gateway.raw(head(gateway, "Content-Type: video/mp4", f"Content-Length: {2 * MIB}") + smuggled)
        assert response.count(b"HTTP/1.1 ") == 1
        unread = head(gateway, "Content-Type: text/plain", f"Content-Length: {len(smuggled)}") + smuggled
        assert gateway.raw(unread).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "name",
    [
        "../../../../tmp/escape",
        "/etc/passwd",
        "..\\..\\x",
        "a\0b",
        ".",
        "..",
        "CON",
        "x" * 3000,
        "a\r\nb",
        "\u202egp4.exe",
    ],
)
def test_a_file_name_is_never_used_as_a_path(gateway: Gateway, client: httpx.Client, name: str) -> None:
    answer = client.post("/v1/recordings", files={"file": (name, MP4), "track": (name, MP4)})
    assert answer.status_code == 202, answer.text
    job_id, label = answer.json()["id"], answer.json()["recording"]["name"]
    assert label and len(label) <= 200 and not set(label) & set("/\\\0\r\n\u202e")
    assert gateway.blobs() == [f"ours/jobs/{job_id}/media/recording", f"ours/jobs/{job_id}/media/track-0"]
    assert not Path("/tmp/escape").exists()  # noqa: S108 - the target of the name


def test_a_full_disk_is_reported_and_leaves_no_data(gateway: Gateway, client: httpx.Client, tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    kind = {"content-type": "video/mp4"}
    announced = head(gateway, "Content-Type: video/mp4", f"Content-Length: {4 << 30}")
    assert client.post("/v1/recordings", content=MP4, headers=kind).status_code == 202
    disk = gateway.context.disk
    disk._reserve = free - (1 << 30)
    assert b"507" in gateway.raw(announced)[:20], "four gigabytes would not fit above the reserve"
    disk._reserve = free * 2
    answer = client.post("/v1/recordings", content=MP4, headers=kind)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert answer.headers["retry-after"] == "60"
    assert eventually(lambda: client.get("/readyz").status_code == 503)
    assert client.get("/readyz").json()["checks"]["disk"] is False
    assert len(gateway.blobs()) == 1


def test_a_disk_that_fills_up_during_an_upload_is_reported_and_leaves_no_data(
    gateway: Gateway, client: httpx.Client
) -> None:
    """The reserve is checked at every block, because other writes count too."""
    full = FolderBlobs(gateway.folder / "blobs", reserve=1 << 62)
    gateway.context.intake = replace(gateway.context.intake, blobs=full)
    answer = client.post("/v1/recordings", content=MP4, headers={"content-type": "video/mp4"})
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert clean(gateway)


def test_concurrent_uploads_are_limited(opened: Open) -> None:
    with opened(max_uploads_per_key=2, upload_wait_seconds=0) as gateway, gateway.client() as client:
        go_on = threading.Event()

        def slowly() -> Iterator[bytes]:
            yield MP4
            go_on.wait(10)

        kind = {"content-type": "video/mp4"}

        def upload() -> None:
            with gateway.client() as own:
                own.post("/v1/recordings", content=slowly(), headers=kind)

        threads = [threading.Thread(target=upload) for _ in range(2)]
        for thread in threads:
            thread.start()
        metrics = "undertone_gateway_uploads 2.0"
        assert eventually(lambda: metrics in client.get("/metrics").text)
        answer = client.post("/v1/recordings", content=MP4, headers=kind)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
        assert client.get("/v1/jobs").status_code == 200, "other requests are unaffected"
        go_on.set()
        for thread in threads:
            thread.join()
        assert client.post("/v1/recordings", content=MP4, headers=kind).status_code == 202


def test_an_upload_waits_for_a_free_slot(opened: Open) -> None:
    """Twelve uploads share two slots: all succeed."""
    with opened(max_uploads_per_key=2) as gateway:

        def upload(_number: int) -> int:
            with gateway.client() as own:
                return own.post("/v1/recordings", content=MP4, headers={"content-type": "video/mp4"}).status_code

        with ThreadPoolExecutor(12) as threads:
            assert list(threads.map(upload, range(12))) == [202] * 12


def test_endless_headers_time_out(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEADER_SECONDS", 0.3)
    began = time.monotonic()
    assert gateway.raw(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ") == b""
    assert time.monotonic() - began < 5
    assert b"200" in gateway.raw(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert gateway.raw(b"GET /livez HTTP/1.1\r\nX: " + b"x" * 100_000)[9:12] in (b"400", b"431")


@pytest.mark.slow
def test_memory_use_is_independent_of_the_recording_size(opened: Open) -> None:
    block = MP4[:32] + bytes(MIB - 32)

    def large() -> Iterator[bytes]:
        for _ in range(300):
            yield block

    with opened() as gateway, gateway.client() as client:
        client.post("/v1/recordings", content=MP4, headers={"content-type": "video/mp4"})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = client.post("/v1/recordings", content=large(), headers={"content-type": "video/mp4"})
        assert answer.status_code == 202
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024
        client.delete(f"/v1/jobs/{answer.json()['id']}")


def test_data_of_a_killed_gateway_is_swept(gateway: Gateway) -> None:
    intake = gateway.context.intake
    intake.blobs.put("ours", "jobs/dead/media/recording", [MP4])
    with gateway.database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO incoming_uploads (job_id, tenant, seen_at) VALUES ('dead', 'ours', 0)")
    assert intake.sweep() == 1
    assert clean(gateway)
