"""Runs a Redis server for tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.infra.child_process import start_child, stop_child
from shared.infra.redis_server import RedisServer

TIMEOUT_SECONDS = 30.0


def start_redis(server: RedisServer) -> subprocess.Popen[bytes]:
    """Starts the server and waits until it is ready."""
    process = start_child(server.command(), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not server.is_ready():
        assert process.poll() is None and time.monotonic() < deadline, "Redis did not start"
        time.sleep(0.05)
    return process


@contextmanager
def redis_running(folder: Path) -> Iterator[str]:
    """Runs a Redis server within the block and yields its URL."""
    server = RedisServer.at(folder)
    process = start_redis(server)
    try:
        yield server.url
    finally:
        stop_child(process, TIMEOUT_SECONDS)
        server.remove_socket_folder()
