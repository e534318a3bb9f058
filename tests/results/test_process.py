"""The results process on a real socket: limits that its server applies before the application."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 0.5
# The real program with a shorter header timeout.
PROGRAM = f"""
import sys
from shared.infra.web import listener
listener.HEADER_SECONDS = {TIMEOUT_SECONDS}
from services.results.__main__ import main
sys.exit(main())
"""
LIVE = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def answer(address: tuple[str, int], *pieces: bytes) -> bytes:
    with socket.create_connection(address, timeout=10) as line:
        for piece in pieces:
            line.sendall(piece)
        received = b""
        while block := line.recv(65536):
            received += block
        return received


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"STORAGE__FOLDER": str(tmp_path), "RESULTS__KEYLESS": "true", "RESULTS__PORT": str(port)}
    inherited = {name: value for name, value in os.environ.items() if "__" not in name}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env={**inherited, **settings}, cwd=ROOT, stdout=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                assert process.poll() is None and time.monotonic() < deadline
                try:
                    assert b"200" in answer(("127.0.0.1", port), LIVE)
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            yield "127.0.0.1", port
        finally:
            process.kill()


def test_endless_headers_time_out(address: tuple[str, int]) -> None:
    """A thousand such connections would occupy every connection of the service."""
    began = time.monotonic()
    assert answer(address, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ") == b""
    assert TIMEOUT_SECONDS <= time.monotonic() - began < 5
    with socket.create_connection(address, timeout=10) as line:
        line.settimeout(5)
        assert line.recv(1) == b"", "an idle connection is closed too"
    assert b"200" in answer(address, LIVE)


def test_headers_over_the_limit_are_rejected(address: tuple[str, int]) -> None:
    assert answer(address, b"GET /livez HTTP/1.1\r\nX: " + b"x" * 40_000)[9:12] in (b"400", b"431")
