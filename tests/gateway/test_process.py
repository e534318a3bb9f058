"""The gateway process: it refuses invalid settings, and a kill during an upload loses no data."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from shared.infra.secret_encryption import new_key
from tests.gateway.serving import MP4
from tests.local_redis import redis_running

ROOT = Path(__file__).parents[2]
TUS = {"Tus-Resumable": "1.0.0"}


def environment(folder: Path, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if "__" not in name}
    return {**inherited, "STORAGE__FOLDER": str(folder), "STORAGE__RESERVE_MB": "1", "SECRETS__KEYS": new_key(), **more}


def run(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.gateway"]
    return subprocess.run(
        command, env=environment(folder, **more), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    with redis_running(tmp_path / "redis") as address:
        yield address


@contextmanager
def started(folder: Path, redis: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    more = {"GATEWAY__KEYLESS": "true", "GATEWAY__PORT": str(port), "REDIS__URL": redis}
    command = [sys.executable, "-m", "services.gateway"]
    with subprocess.Popen(
        command, env=environment(folder, **more), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                deadline = time.monotonic() + 60
                while True:
                    assert process.poll() is None and time.monotonic() < deadline
                    try:
                        if client.get("/readyz").status_code == 200:
                            break
                    except httpx.TransportError:
                        time.sleep(0.1)
                yield process, client
        finally:
            process.kill()


@pytest.mark.slow
def test_it_refuses_to_start_without_required_settings(tmp_path: Path) -> None:
    redis = "redis://127.0.0.1:9/0"
    for more, word in (
        ({}, "REDIS__URL"),
        ({"REDIS__URL": redis}, "undertone keys create"),
        ({"REDIS__URL": redis, "GATEWAY__KEYLESS": "true", "GATEWAY__HOST": "0.0.0.0"}, "loopback"),  # noqa: S104
    ):
        ended = run(tmp_path / "state", **more)
        assert ended.returncode == 78, ended.stderr
        line = json.loads(ended.stderr)
        assert (line["event"], line["code"]) == ("service.failed", "invalid_setting")
        assert word in line["message"] + line["hint"]


@pytest.mark.slow
def test_an_upload_resumes_after_the_gateway_was_killed(tmp_path: Path, redis: str) -> None:
    content = MP4 * 10
    with started(tmp_path / "state", redis) as (process, client):
        path = client.post("/v1/uploads", headers={**TUS, "Upload-Length": str(len(content))}).headers["location"]

        def half() -> Iterator[bytes]:
            yield content[:50_000]
            time.sleep(0.5)
            process.send_signal(signal.SIGKILL)
            process.wait()
            yield content[50_000:60_000]

        kind = {"Content-Type": "application/offset+octet-stream"}
        with pytest.raises(httpx.TransportError):
            client.patch(path, content=half(), headers={**TUS, **kind, "Upload-Offset": "0"})
    with started(tmp_path / "state", redis) as (process, client):
        offset = int(client.head(path, headers=TUS).headers["upload-offset"])
        assert 0 < offset <= 50_000
        client.patch(path, content=content[offset:], headers={**TUS, **kind, "Upload-Offset": str(offset)})
        answer = client.post("/v1/recordings", json={"upload": path.rsplit("/", 1)[1]})
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["id"]
        stored = tmp_path / "state" / "blobs" / "local" / "jobs" / job_id / "media" / "recording"
        assert stored.read_bytes() == content
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in (0, -signal.SIGTERM)
