"""The health check that the container engine runs in each container."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from services.container import health
from services.container.__main__ import MODULES
from services.container.health import MAX_HEARTBEAT_AGE, Unhealthy, check, main
from shared.infra.heartbeat import HEARTBEAT_FILE_VARIABLE, HEARTBEAT_SECONDS, Heartbeat
from tests.local_server import Reply, serving

SCRIPT = Path(health.__file__)


@pytest.fixture
def heartbeat_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "healthy"
    monkeypatch.setenv(HEARTBEAT_FILE_VARIABLE, str(path))
    return path


def test_every_long_running_service_has_a_check() -> None:
    assert set(health.SERVICES) == set(MODULES) - {"keys", "models"}


def test_writer_and_check_use_the_same_file() -> None:
    assert health.HEARTBEAT_FILE_VARIABLE == HEARTBEAT_FILE_VARIABLE
    assert MAX_HEARTBEAT_AGE > 3 * HEARTBEAT_SECONDS


@pytest.mark.parametrize(("status", "exit_status"), [(200, 0), (503, 1)])
def test_a_web_service_is_checked_over_http(status: int, exit_status: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Runs the whole program, isolated from the environment and from installed packages."""
    with serving(Reply(status=status)) as server:
        done = subprocess.run(
            [sys.executable, "-I", "-S", SCRIPT, "gateway"],
            env={**os.environ, "GATEWAY__PORT": str(server.port)},
            check=False,
        )
    assert done.returncode == exit_status
    assert [request.path for request in server.asked] == ["/readyz"]
    assert ("503" in capfd.readouterr().err) == bool(exit_status)


def test_an_unresponsive_web_service_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(handler: Any) -> None:
        time.sleep(1)

    monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.1)
    with serving(Reply(raw=silent)) as server:
        monkeypatch.setenv("RESULTS__PORT", str(server.port))
        assert main(["results"]) == 1


def test_the_check_waits_for_a_starting_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setenv("GATEWAY__PORT", str(listener.getsockname()[1]))
        with pytest.raises(ConnectionRefusedError):
            check("gateway", starting=0.2)

        def listen_and_answer() -> None:
            time.sleep(0.3)
            listener.listen()
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=listen_and_answer)
        thread.start()
        check("gateway", starting=20)
        thread.join()


@pytest.mark.parametrize("service", health.HEARTBEAT_SERVICES)
def test_a_service_without_a_port_is_healthy_after_a_heartbeat(service: str, heartbeat_file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check(service, starting=0)
    Heartbeat.from_environment().touch()
    check(service, starting=0)


def test_a_service_with_an_old_heartbeat_is_unhealthy(heartbeat_file: Path) -> None:
    Heartbeat.from_environment().touch()
    old = time.time() - MAX_HEARTBEAT_AGE - 5
    os.utime(heartbeat_file, (old, old))
    with pytest.raises(Unhealthy, match="65 s ago"):
        check("courier", starting=0)
    Heartbeat.from_environment().touch()
    check("courier", starting=0)


def test_without_the_variable_no_heartbeat_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HEARTBEAT_FILE_VARIABLE, raising=False)
    assert Heartbeat.from_environment().path is None
    Heartbeat.from_environment().touch()


@pytest.mark.parametrize("arguments", [[], ["edge"], ["courier", "worker"]])
def test_an_unknown_service_has_no_check(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "dispatcher" in capsys.readouterr().err


def test_the_check_imports_few_modules() -> None:
    """Each of these modules costs more CPU time than the check itself."""
    command = [sys.executable, "-I", "-S", "-X", "importtime", str(SCRIPT)]
    said = subprocess.run(command, check=False, capture_output=True, text=True).stderr
    imported = {line.rpartition("|")[2].strip() for line in said.splitlines() if line.startswith("import time:")}
    assert "socket" in imported
    assert not {"typing", "pathlib", "urllib", "http", "ssl", "email", "subprocess"} & imported
