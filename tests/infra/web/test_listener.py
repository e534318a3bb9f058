"""Tests of the HTTP server."""

from __future__ import annotations

import asyncio
import signal
import threading
import time

import pytest
from starlette.applications import Starlette

from shared.infra.web import listener
from shared.infra.web.listener import make_server
from shared.infra.web.settings import WebSettings


def test_signal_stops_the_server_before_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "TICK_SECONDS", 60)
    server = make_server(Starlette(), WebSettings(port=0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)
    server.handle_exit(signal.SIGTERM, None)
    thread.join(20)
    assert not thread.is_alive()
