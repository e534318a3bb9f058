"""Runs a gateway in a thread of the test, with helpers for requests and log output."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.gateway.context import Context
from shared.domain.work import Ticket
from shared.infra.database.engine import Database
from shared.infra.queue_celery import CeleryQueue
from shared.infra.storage_factory import open_bucket
from shared.infra.web.listener import make_server
from shared.infra.web.settings import WebSettings

# The beginning of an MP4: enough for the content check at the upload.
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(range(256)) * 64
WAV = b"RIFF\x24\x10\0\0WAVEfmt " + bytes(4096)


@dataclass
class MemoryQueue(CeleryQueue):
    sent: list[Ticket] = field(default_factory=list)
    broken: bool = False

    def send(self, ticket: Ticket) -> None:
        self.sent.append(ticket)

    def waiting(self, queue: str) -> int:
        if self.broken:
            raise ConnectionError
        return 0


@dataclass
class Gateway:
    url: str
    app: FastAPI
    context: Context
    database: Database
    keys: Mapping[str, str]
    queue: MemoryQueue
    folder: Path

    def headers(self, tenant: str = "ours") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[tenant]}"}

    def client(self, tenant: str | None = "ours") -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers(tenant) if tenant else {}, timeout=20)

    def blobs(self) -> list[str]:
        """Every file in the blob store, including temporary files, or every object of the bucket."""
        if bucket := self.context.deployment.storage.bucket:
            found = open_bucket(bucket, self.context.deployment.storage).list("")
            return sorted(one.key for one in found)
        root = self.folder / "blobs"
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def raw(self, *pieces: bytes, pause: float = 0.0, timeout: float = 10) -> bytes:
        """Send raw bytes, and read until the server closes the connection or the timeout ends."""
        with socket.create_connection(self.address, timeout=timeout) as line:
            for piece in pieces:
                try:
                    line.sendall(piece)
                except OSError:
                    break  # it has responded and closed
                time.sleep(pause)
            received = b""
            try:
                while block := line.recv(65536):
                    received += block
            except OSError:
                pass
            return received


def eventually(true: Callable[[], bool], seconds: float = 20) -> bool:
    """Wait for an effect that follows the response, such as sending to the queue."""
    deadline = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def logged(capfd: pytest.CaptureFixture[str], event: str, times: int = 1) -> str:
    """Return the log once it contains the event that often; requests are logged after the response."""
    lines: list[str] = []

    def is_logged() -> bool:
        lines.extend(capfd.readouterr())
        return "".join(lines).count(event) >= times

    assert eventually(is_logged), f"{event} was not logged {times} times in {''.join(lines)!r}"
    return "".join(lines)


@contextmanager
def running(app: FastAPI, host: str = "127.0.0.1") -> Iterator[str]:
    with socket.socket() as line:
        line.bind((host, 0))
        port = line.getsockname()[1]
        server = make_server(app, WebSettings(host=host, port=port))
        server.config.timeout_graceful_shutdown = 1

        async def serve() -> None:
            await server.serve(sockets=[line])
            for connection in list(server.server_state.connections):
                connection.transport.abort()  # as the end of a process does; what stays open fails a later test
            await asyncio.sleep(0)  # the loop closes their sockets

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline and thread.is_alive(), "the gateway did not start"
            time.sleep(0.01)
        try:
            yield f"http://{host}:{port}"
        finally:
            server.handle_exit(signal.SIGTERM, None)
            thread.join(timeout=10)


def clean(gateway: Gateway) -> bool:
    """Whether the gateway stores nothing of an upload."""
    with gateway.database.reading() as connection:
        incoming = connection.exec_driver_sql("SELECT count(*) FROM incoming_uploads").scalar_one()
    return gateway.blobs() == [] and gateway.context.jobs.list("ours").items == () and incoming == 0
