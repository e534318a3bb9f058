"""Tests of service logs: one line per event, and no transcript text."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.local_redis import redis_running

ROOT = Path(__file__).parents[2]

PROGRAM = """
import logging, structlog
from shared.infra.logging_setup import configure_logging
from shared.infra.settings import LogSettings
configure_logging(LogSettings())
structlog.get_logger().info("job.queued", job="17")
structlog.get_logger().debug("not logged")
logging.getLogger("library").info("not logged either")
try:
    raise ValueError("transcript text")
except ValueError:
    logging.getLogger("library").exception("It broke.")
    structlog.get_logger().exception("stage.broke")
"""


def test_a_full_disk_does_not_stop_a_process_that_logs() -> None:
    program = PROGRAM + "import sys; sys.stderr.write('went on')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, check=False, stdout=full, stderr=subprocess.PIPE
        )
    assert b"went on" in done.stderr


def log_output(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout


def test_every_line_is_json_without_exception_text() -> None:
    lines = [json.loads(line) for line in log_output().splitlines()]
    assert [line["event"] for line in lines] == ["job.queued", "It broke.", "stage.broke"]
    assert lines[0]["job"] == "17" and lines[0]["level"] == "info" and lines[0]["timestamp"].endswith("Z")
    assert lines[1]["logger"] == "library"
    assert all(line["error"] == "ValueError" and "<module>" in line["location"] for line in lines[1:])


def test_log_format_can_be_text() -> None:
    text = log_output(LOG__FORMAT="text", LOG__LEVEL="error")
    assert "stage.broke" in text and "job.queued" not in text and "transcript" not in text


def log_of(module: str, folder: Path, redis: str, event: str, **more: str) -> str:
    """Runs the program until it logs the event, and returns its log."""
    environment = {name: value for name, value in os.environ.items() if "__" not in name}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ours = {"STORAGE__FOLDER": str(folder), "REDIS__URL": redis, "GATEWAY__KEYLESS": "true", "GATEWAY__PORT": port}
    log = folder / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "-m", module], env={**environment, **ours, **more}, cwd=ROOT, stdout=out, stderr=out
        ) as process,
    ):
        try:
            deadline = time.monotonic() + 60
            while event not in log.read_text():
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGTERM)
    return log.read_text()


@pytest.mark.parametrize("module", ["services.cli.web", "services.gateway"])
def test_service_reads_its_log_format_setting(module: str, tmp_path: Path) -> None:
    with redis_running(tmp_path / "redis") as redis:
        for line in log_of(module, tmp_path, redis, ".started").splitlines():
            assert json.loads(line)["level"] == "info"
        text = log_of(module, tmp_path, redis, ".started", LOG__FORMAT="text")
    assert not text.startswith("{")
