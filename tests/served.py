"""Runs `undertone serve` for tests: one process with its children, one port, one folder."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.infra.redis_server import find_server
from tests.running_service import ROOT, serve_command

REDIS = find_server().name


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    data: Path
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def children(self) -> dict[str, int]:
        """The process id of each running program."""
        found: dict[str, int] = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            words = Path("/proc", pid, "cmdline").read_bytes().decode().replace("\0", " ")
            names = (REDIS, "services.cli.web", "services.courier", "services.dispatcher")
            found[next((name for name in names if name in words), "services.worker")] = int(pid)
        return found

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.data.glob("logs/*.log"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(data: Path, port: int, **settings: str) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if "__" not in name}
    return subprocess.Popen(
        serve_command(data, port),
        cwd=ROOT,
        env={
            **environment,
            "ENGINES__MODELS_DIR": str(data / "models"),
            "LOG__FORMAT": "json",
            "LOG__LEVEL": "debug",
            **settings,
        },
        stderr=subprocess.PIPE,
    )


def until(true: Callable[[], bool], what: str, patience: float = 90.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@contextmanager
def serving_undertone(folder: Path, **settings: str) -> Iterator[Served]:
    port = free_port()
    running = Served(start(folder / "data", port, **settings), folder / "data", port)
    assert running.process.stderr is not None
    said = running.process.stderr.readline().decode()
    assert f"http://127.0.0.1:{port}" in said, said + running.logs()
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        running.process.stderr.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving_undertone(tmp_path) as running:
        yield running
