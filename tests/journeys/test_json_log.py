"""With LOG__FORMAT=json every line that any process of the service writes is a JSON object."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from shared.domain.job_record import JobRecord, JobStatus
from shared.domain.work import StageRow, StageStatus
from shared.infra.secret_encryption import new_key
from tests.running_service import ENGINES, ROOT, cut, serving

JSON = {"LOG__FORMAT": "json", "PYTHONUNBUFFERED": "1"}  # unbuffered, as in the images
PROGRAMS = {
    "gateway": ("services.gateway",),
    "results": ("services.results",),
    "courier": ("services.courier",),
    "dispatcher": ("services.dispatcher",),
    "worker": ("services.worker",),
    "front": ("services.cli.web",),
    "container": ("services.container", "results"),
}


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def lines_of(path: Path) -> list[dict[str, object]]:
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            pytest.fail(f"{path.name} has a line that is not JSON: {line!r}")
    return found


def events_of(path: Path) -> set[object]:
    return {line["event"] for line in lines_of(path)}


@pytest.mark.slow
def test_every_line_of_every_process_is_json(tmp_path: Path) -> None:
    """A job runs, a stage's process is killed, Redis is stopped and restarted, and everything is shut down."""
    settings = {
        **JSON,
        "SECRETS__KEYS": new_key(),
        "GATEWAY__KEYLESS": "true",
        "GATEWAY__PORT": free_port(),
        "RESULTS__KEYLESS": "true",
        "RESULTS__PORT": free_port(),
    }
    content = cut(tmp_path / "standup.mp4", seconds=8.0).read_bytes()
    folder = tmp_path / "service"
    folder.mkdir()
    with serving(folder, settings=settings) as service:
        service.start("gateway", "services.gateway")
        service.start("results", "services.container", "results")
        service.start("courier", "services.courier")
        gateway = f"http://127.0.0.1:{settings['GATEWAY__PORT']}"
        service.wait_for("the gateway", lambda: answers(f"{gateway}/livez"))
        service.wait_for("results", lambda: answers(f"http://127.0.0.1:{settings['RESULTS__PORT']}/livez"))
        options = {"engines": ",".join(f"{slot}={name}" for slot, name in ENGINES.items())}
        sent = httpx.post(
            f"{gateway}/v1/recordings", files={"file": ("standup.mp4", content)}, data=options, timeout=60
        )
        job_id = sent.json()["id"]

        def job() -> JobRecord:
            found = service.jobs.find("local", job_id)
            assert found is not None
            return found

        def transcribe() -> StageRow:
            return next(stage for stage in job().stages if stage.name == "transcribe")

        service.wait_for("transcribe", lambda: transcribe().status is StageStatus.RUNNING)
        os.kill(int(str(transcribe().worker).split(":")[1]), signal.SIGKILL)
        service.wait_for("the second attempt", lambda: transcribe().attempts == 2)
        service.kill("redis")
        time.sleep(1)
        service.start_redis()
        service.wait_for("the end of the job", lambda: job().status is JobStatus.DONE)
        for name in ("worker-0", "dispatch", "courier", "results", "gateway"):
            service.end(name)
        assert {"worker.stage_claimed", "worker.stage_ended", "worker.celery"} <= events_of(folder / "worker-0.log")
        assert "gateway.started" in events_of(folder / "gateway.log")
        assert "results.started" in events_of(folder / "results.log")
        for name in ("dispatch", "courier"):
            lines_of(folder / f"{name}.log")


def answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


def failed(folder: Path, program: tuple[str, ...], **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if "__" not in name}
    return subprocess.run(
        [sys.executable, "-m", *program],
        cwd=ROOT,
        env={**inherited, "STORAGE__FOLDER": str(folder), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_cannot_start_reports_it_in_its_log_format(name: str, tmp_path: Path) -> None:
    bad = {"STORAGE__RESERVE_MB": "much"}
    if name == "worker":
        bad = {"WORKER__QUEUES": "gpuu"}
    setting = next(iter(bad))
    json_form = failed(tmp_path, PROGRAMS[name], **bad, **JSON)
    [line] = [json.loads(text) for text in (json_form.stdout + json_form.stderr).splitlines()]
    assert (line["event"], line["code"], line["level"]) == ("service.failed", "invalid_setting", "error")
    assert setting in line["message"] and "much" not in line["message"]
    assert json_form.returncode == 78
    text_form = failed(tmp_path, PROGRAMS[name], **bad, LOG__FORMAT="text")
    assert text_form.returncode == 78 and text_form.stdout == ""
    assert text_form.stderr.startswith("[invalid_setting] ") and setting in text_form.stderr
    assert len(text_form.stderr.splitlines()) == 2
