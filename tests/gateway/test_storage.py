"""Unavailable storage: the gateway is not ready, rejects uploads with Retry-After, and leaves no data."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, Gateway, eventually
from tests.local_server import Reply, serving

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}
VIDEO = {"content-type": "video/mp4"}


@contextmanager
def moved(folder: Path) -> Iterator[None]:
    """Rename the folder, as if a volume were not mounted."""
    renamed = folder.with_name(f"{folder.name}.renamed")
    folder.rename(renamed)
    try:
        yield
    finally:
        renamed.rename(folder)


def ready(client: httpx.Client) -> bool:
    answer = client.get("/readyz")
    assert answer.json()["ready"] is (answer.status_code == 200)
    return answer.status_code == 200


def refused(answer: httpx.Response) -> bool:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert "/" not in answer.json()["detail"], "no path is shown"
    return (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")


def test_uploads_are_rejected_while_the_folder_is_missing(gateway: Gateway, client: httpx.Client) -> None:
    assert ready(client)
    with serving(Reply(body=MP4)) as other:
        asks: dict[str, Callable[[], httpx.Response]] = {
            "form": lambda: client.post("/v1/recordings", files={"file": ("a.mp4", MP4)}),
            "raw": lambda: client.post("/v1/recordings", content=MP4, headers=VIDEO),
            "url": lambda: client.post("/v1/recordings", json={"url": other.url}),
        }
        with moved(gateway.folder / "blobs"):
            assert eventually(lambda: not ready(client))
            assert client.get("/readyz").json()["checks"]["storage"] is False
            for name, ask in asks.items():
                assert refused(ask()), name
            assert other.asked == [], "nothing is fetched that could not be stored"
            assert not (gateway.folder / "blobs").exists()
        assert eventually(lambda: ready(client))
        for name, ask in asks.items():
            assert ask().status_code == 202, name


def test_resumable_uploads_are_rejected_while_their_folder_is_missing(gateway: Gateway, client: httpx.Client) -> None:
    path = client.post("/v1/uploads", headers={**TUS, "Upload-Length": str(len(MP4))}).headers["location"]
    with moved(gateway.folder / "uploads"):
        assert refused(client.patch(path, content=MP4, headers={**BYTES, "Upload-Offset": "0"}))
        assert client.head(path, headers=TUS).status_code == 503
    assert client.patch(path, content=MP4, headers={**BYTES, "Upload-Offset": "0"}).status_code == 204
    with moved(gateway.folder):
        assert refused(client.post("/v1/uploads", headers={**TUS, "Upload-Length": "4"}))
    upload = {"upload": path.rsplit("/", 1)[1]}
    with moved(gateway.folder / "blobs"):
        assert eventually(lambda: not ready(client))
        assert refused(client.post("/v1/recordings", json=upload))
    assert eventually(lambda: ready(client))
    assert client.post("/v1/recordings", json=upload).status_code == 202, "the finished upload is still there"


def test_a_storage_failure_during_an_upload_leaves_no_job(gateway: Gateway, client: httpx.Client) -> None:
    with ExitStack() as away:

        def slowly() -> Iterator[bytes]:
            yield MP4
            assert eventually(lambda: len(gateway.blobs()) == 1), "the upload is being written"
            away.enter_context(moved(gateway.folder / "blobs"))
            yield MP4

        assert refused(client.post("/v1/recordings", content=slowly(), headers=VIDEO))
    assert gateway.context.jobs.list("ours").items == ()
    incoming = gateway.context.intake.incoming_uploads.abandoned(gateway.database.clock() + timedelta(hours=1))
    assert len(incoming) == 1, "its partial data is swept later"


@contextmanager
def bucket(opened: Open, endpoint: str) -> Iterator[tuple[Gateway, httpx.Client]]:
    """A gateway with object storage instead of a folder."""
    storage = {"bucket": "bucket", "endpoint": endpoint, "access_key": "key", "secret_key": "secret"}
    with opened(storage=storage) as gateway, gateway.client() as client:
        yield gateway, client


def test_it_is_not_ready_while_object_storage_is_unreachable(opened: Open) -> None:
    with bucket(opened, "http://127.0.0.1:9") as (gateway, client):
        assert not ready(client)
        assert refused(client.post("/v1/recordings", content=MP4, headers=VIDEO))
        begun = gateway.context.intake.incoming_uploads.abandoned(gateway.database.clock() + timedelta(hours=1))
        assert begun == ()


def test_unresponsive_object_storage_does_not_block_requests(opened: Open) -> None:
    go_on = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        go_on.wait(60)

    with serving(Reply(raw=hang)) as storage, bucket(opened, storage.url) as (_, client):
        began = time.monotonic()
        assert not ready(client)
        assert refused(client.post("/v1/recordings", content=MP4, headers=VIDEO))
        assert time.monotonic() - began < 5
        go_on.set()


@pytest.mark.parametrize("status", [403, 404, 500])
def test_an_inaccessible_bucket_is_unavailable_storage(opened: Open, status: int) -> None:
    reply = Reply(status=status, body=b"<Error><Code>NoSuchBucket</Code></Error>")
    with serving(reply) as storage, bucket(opened, storage.url) as (_, client):
        assert not ready(client)
