"""The courier's loop under failures, and the program until its shutdown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from services.courier.__main__ import main
from services.courier.loop import Courier
from services.courier.settings import CourierSettings
from shared.domain.error import InvalidSetting
from shared.domain.webhook import DeliveryStatus, EncryptedSecret, EventType, WebhookEndpoint
from shared.infra.database.outbox import SqlOutbox
from shared.infra.heartbeat import Heartbeat
from shared.infra.secret_encryption import SecretCipher, new_key, new_webhook_secret
from tests.courier.courier_harness import DAY, CourierHarness, verify
from tests.local_server import LocalServer, Reply, serving


def eventually(what: Any, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "the condition was not met in time"
        time.sleep(0.02)


class FlakyOutbox(SqlOutbox):
    """An outbox whose database is unavailable for a short time."""

    broken = 2

    def fan_out(self, *, limit: int = 100) -> int:
        if self.broken:
            self.broken -= 1
            raise OperationalError("select", {}, Exception("away"))
        return super().fan_out(limit=limit)


def test_the_loop_survives_failures_and_finishes_attempts_in_progress(
    harness: CourierHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    def slowly(handler: Any) -> None:
        time.sleep(0.3)
        handler.send_response(200)
        handler.send_header("content-length", "0")
        handler.end_headers()

    outbox = FlakyOutbox(harness.database)
    heart = Heartbeat(harness.folder / "healthy")
    settings = CourierSettings(max_parallel=4, poll_seconds=0.02)
    courier = Courier(outbox, harness.deliverer, settings, harness.clock, heart)
    stop = Event()
    with serving(Reply(raw=slowly)) as server:
        harness.hook(server.url)
        harness.endpoints.add(
            WebhookEndpoint(
                id="broken",
                tenant="ours",
                url=server.url,
                event_types=frozenset(EventType),
                secrets=(EncryptedSecret(ciphertext="with another key"),),
                created_at=harness.clock.now,
            )
        )
        harness.publish()
        thread = Thread(target=courier.run, args=(stop,))
        thread.start()
        eventually(lambda: server.asked)
        stop.set()
        thread.join(60)
    states = {one.endpoint_id: one.status for one in harness.deliveries.list("ours").items}
    assert states == {"hook": DeliveryStatus.DELIVERED, "broken": DeliveryStatus.PENDING}
    assert (harness.folder / "healthy").exists()
    said = capsys.readouterr().out
    assert said.count("courier.outbox_failed") == 2
    assert "encryption_key_missing" in said and "127.0.0.1" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_delivers_until_it_is_stopped(
    harness: CourierHarness, server_for_program: LocalServer, number: int
) -> None:
    key, secret = new_key(), new_webhook_secret()
    harness.sealer = SecretCipher([key])
    harness.hook(server_for_program.url, secret)
    harness.publish()
    harness.clock.move(-DAY)  # the program uses the system clock
    environment = {**os.environ, "STORAGE__FOLDER": str(harness.folder), "SECRETS__KEYS": key}
    command = [sys.executable, "-m", "services.courier", "--loopback"]
    program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: server_for_program.asked)
        program.send_signal(number)
        said, _ = program.communicate(timeout=60)
    finally:
        program.kill()
        program.wait()
    assert program.returncode == 0, said
    assert verify(server_for_program.asked[0], secret)["type"] == "transcript.ready"
    assert secret.encode() not in said and b"127.0.0.1" not in said


@pytest.fixture
def server_for_program() -> Iterator[LocalServer]:
    with serving() as server:
        yield server


@pytest.fixture
def own_signals() -> Iterator[None]:
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


def test_main_delivers_in_this_process(
    harness: CourierHarness, server_for_program: LocalServer, monkeypatch: pytest.MonkeyPatch, own_signals: None
) -> None:
    key = new_key()
    monkeypatch.setenv("STORAGE__FOLDER", str(harness.folder))
    monkeypatch.setenv("SECRETS__KEYS", key)
    harness.hook(server_for_program.url)
    harness.publish()
    harness.clock.move(-DAY)

    def stop_after_delivery() -> None:
        eventually(lambda: server_for_program.asked)
        os.kill(os.getpid(), signal.SIGTERM)

    watcher = Thread(target=stop_after_delivery)
    watcher.start()
    assert main(["--loopback"]) == 0
    watcher.join()


def test_without_an_encryption_key_the_program_explains_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_signals: None
) -> None:
    monkeypatch.setenv("STORAGE__FOLDER", str(tmp_path))
    monkeypatch.setenv("SECRETS__KEYS", "")
    with pytest.raises(InvalidSetting) as raised:
        main([])
    assert "SECRETS__KEYS" in f"{raised.value.message} {raised.value.hint}"
