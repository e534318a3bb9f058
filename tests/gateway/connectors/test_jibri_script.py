"""The finalize script for Jibri: it returns at once, and sends the recording in the background until it is accepted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.gateway.connectors.announcing import imported, jobs, soon
from tests.gateway.serving import MP4, Gateway
from tests.local_server import Reply, serving

SCRIPT = Path(__file__).parents[3] / "deploy" / "jitsi" / "finalize.py"
ACCEPTED = Reply(status=202, body=b'{"id": "6f0c"}')


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "recordings" / "abcdef"
    made.mkdir(parents=True)
    (made / "standup_2026-11-26.mp4").write_bytes(MP4)
    (made / "metadata.json").write_text(json.dumps({"meeting_url": "https://meet.example/standup", "share": True}))
    return made


def finalize(tmp_path: Path, url: str, key: str, *arguments: Path, **more: str) -> float:
    """Run the script as Jibri does, waiting until its output is closed; returns the seconds."""
    values = {"UNDERTONE_URL": url, "UNDERTONE_KEY": key, "UNDERTONE_QUEUE": str(tmp_path / "queue"), **more}
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, SCRIPT, *arguments], env={**os.environ, **values}, capture_output=True, check=True, timeout=60
    )
    assert ran.stdout == ran.stderr == b""
    return time.monotonic() - began


def queued(tmp_path: Path) -> list[str]:
    return sorted(path.suffix for path in (tmp_path / "queue").iterdir() if path.name not in ("lock", "log"))


def log(tmp_path: Path) -> str:
    return (tmp_path / "queue" / "log").read_text()


def test_a_recording_becomes_one_job_with_the_meetings_address(
    gateway: Gateway, tmp_path: Path, directory: Path
) -> None:
    options = json.dumps({"purpose": "research", "metadata": {"team": "a"}})
    for _ in range(2):
        finalize(tmp_path, gateway.url, gateway.keys["ours"], directory, UNDERTONE_OPTIONS=options)
        (job,) = imported(gateway)
        assert soon(lambda: queued(tmp_path) == []), "it left the queue"
    assert len(jobs(gateway)) == 1
    assert job.job.recording.name == "standup_2026-11-26.mp4" and job.job.options.purpose == "research"
    assert job.metadata == {
        "team": "a",
        "source": {"platform": "jibri", "meeting_url": "https://meet.example/standup"},
    }
    assert log(tmp_path).count(f"accepted as job {job.id}") == 2, "the second request got the first's answer"


def test_it_returns_at_once_and_retries_by_itself(tmp_path: Path, directory: Path) -> None:
    with serving(Reply(status=503), ACCEPTED) as server:
        assert finalize(tmp_path, server.url, "ut_key", directory) < 3
        assert soon(lambda: queued(tmp_path) == [])
        first, second = server.asked
    assert first.body.count(MP4) == second.body.count(MP4) == 1
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert "ut_key" not in log(tmp_path) and "meet.example" not in log(tmp_path)


def test_a_recording_that_was_not_sent_is_sent_by_a_later_run(tmp_path: Path, directory: Path) -> None:
    with serving(Reply(status=401, body=b'{"detail": "This call requires an API key."}')) as server:
        finalize(tmp_path, server.url, "wrong", directory)
        assert soon(lambda: queued(tmp_path) == [".failed"])
    assert "refused with 401: This call requires an API key." in log(tmp_path)
    (entry,) = (tmp_path / "queue").glob("*.failed")
    entry.rename(entry.with_suffix(".json"))
    with serving(ACCEPTED) as server:
        finalize(tmp_path, server.url, "right")
        assert soon(lambda: queued(tmp_path) == [])
        assert server.asked[0].headers["authorization"] == "Bearer right"


def test_a_directory_without_metadata_or_recording_is_no_error(tmp_path: Path, directory: Path) -> None:
    (directory / "metadata.json").write_text("{broken")
    with serving(ACCEPTED) as server:
        finalize(tmp_path, server.url, "k", directory)
        assert soon(lambda: len(server.asked) == 1)
        finalize(tmp_path, server.url, "k", tmp_path)
    assert queued(tmp_path) == []
