"""`undertone serve` as a real process: one command, one port, one folder; exited children are restarted."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.running_service import cut
from tests.served import REDIS, Served, free_port, served, start, until

__all__ = ["served"]

pytestmark = pytest.mark.slow


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
