"""`undertone serve` as a real process: one command, one port, one folder; exited children are restarted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from shared.infra.redis_server import find_server
from tests.running_service import ROOT, cut, serve_command

pytestmark = pytest.mark.slow
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


def start(data: Path, port: int, settings: Mapping[str, str] = {}) -> subprocess.Popen[bytes]:
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
def running(data: Path, settings: Mapping[str, str] = {}) -> Iterator[Served]:
    port = free_port()
    one = Served(start(data, port, settings), data, port)
    assert one.process.stderr is not None
    said = one.process.stderr.readline().decode()
    assert f"http://127.0.0.1:{port}" in said, said + one.logs()
    yield one
    one.process.kill()
    one.process.wait()
    one.process.stderr.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with running(tmp_path / "data") as one:
        yield one


def test_a_recording_is_transcribed_although_children_are_killed(served: Served, tmp_path: Path) -> None:
    recording = cut(tmp_path / "short.mp4", seconds=4.0)
    until(lambda: "services.worker" in served.children(), "the worker")
    with httpx.Client(base_url=served.address, timeout=30) as client, recording.open("rb") as file:
        answer = client.post("/v1/recordings", files={"file": file}, data={"engines": "asr=pocketsphinx"})
        assert answer.status_code == 202, answer.text
        job = answer.headers["location"]
        before = served.children()
        for name in (REDIS, "services.cli.web", "services.courier", "services.dispatcher"):
            os.kill(before[name], signal.SIGKILL)
        until(lambda: len(served.children()) == len(before) and served.children() != before, served.logs())

        def status() -> str:
            try:
                return str(client.get(job).json()["status"])
            except httpx.TransportError:  # the gateway is restarting
                return "away"

        until(lambda: status() in ("done", "failed"), served.logs())
        assert status() == "done", client.get(job).text
        transcript = job.replace("/jobs/", "/transcripts/")
        said = [one["text"] for one in client.get(transcript).json()["utterances"]]
        assert said
        assert client.get(f"{transcript}.vtt").text.startswith("WEBVTT")
    after = served.children()
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(timeout=60) == 0
    assert not [pid for pid in after.values() if Path("/proc", str(pid)).exists()]
    assert list((served.data / "scratch").iterdir()) == []
    logs = {path.stem: path.read_text() for path in served.data.glob("logs/*.log") if path.stem != "redis"}
    # Celery's output during its shutdown bypasses the log.
    lines = {
        name: [line for line in text.splitlines() if line and not line.startswith("worker: ")]
        for name, text in logs.items()
    }
    events = {name: [json.loads(line)["event"] for line in own] for name, own in lines.items()}
    assert "serve.started" in events["web"] and "worker.stage_ended" in events["worker-1"]
    assert not [words for words in (*said, recording.name) if any(words in text for text in logs.values())]


def test_no_child_outlives_a_killed_service(served: Served) -> None:
    until(lambda: "services.worker" in served.children(), "the worker")
    children = served.children().values()
    served.process.kill()
    until(lambda: not any(alive(pid) for pid in children), "a child is still running", 10)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path("/proc", str(pid), "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_folder_and_a_port_are_used_by_one_service(served: Served, tmp_path: Path) -> None:
    for data, port, code in (
        (served.data, free_port(), "state_conflict"),
        (tmp_path / "other", served.port, "invalid_setting"),
    ):
        second = start(data, port)
        assert second.stderr is not None
        assert f"[{code}]" in second.stderr.read().decode()
        assert second.wait(30) != 0
        second.stderr.close()
