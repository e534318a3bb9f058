"""A web service whose event loop hangs is ended by the kernel, so that it is started again; an idle one runs on."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.attacks.hanging_server import HUNG_SECONDS

END_SECONDS = 60.0  # on a busy machine


def connected(port: int) -> socket.socket:
    """A connection, when the server listens."""
    until = time.monotonic() + END_SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.05)


@pytest.mark.parametrize("requested", [True, False])
def test_a_hanging_event_loop_ends_its_process(requested: bool) -> None:
    command = [sys.executable, "-m", "tests.attacks.hanging_server"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        if requested:
            with connected(port) as line:
                line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert server.wait(END_SECONDS) == -signal.SIGALRM
        else:
            connected(port).close()
            time.sleep(HUNG_SECONDS + 1)
            assert server.poll() is None
            server.terminate()
            assert server.wait(END_SECONDS) in (0, -signal.SIGTERM)
    finally:
        server.kill()
        server.communicate()
