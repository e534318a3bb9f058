"""A worker takes work again after a process of its pool and Redis ended within 50 ms of each other."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.domain.job_record import JobStatus
from shared.domain.work import StageStatus
from tests.running_service import Service, cut, serving

pytestmark = pytest.mark.slow

BOUND_SECONDS = 120  # far less than until a worker that takes no work ends itself


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("short") / "standup.mp4", seconds=4.0)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("service")) as running:
        yield running


def running_process(service: Service, job_id: str) -> int | None:
    """The process of the pool that runs a stage of the job."""
    workers = [stage.worker for stage in service.record(job_id).stages if stage.status is StageStatus.RUNNING]
    return int(workers[0].split(":")[1]) if workers and workers[0] else None


@pytest.mark.parametrize("milliseconds", [0, 20, 50])
@pytest.mark.parametrize("first", ["process", "redis"])
def test_work_goes_on_within_a_bound(service: Service, recording: Path, milliseconds: int, first: str) -> None:
    job_id = service.submit(recording)
    service.wait_for("a running stage", lambda: running_process(service, job_id) is not None)
    process = running_process(service, job_id)
    assert process is not None
    steps: list[Callable[[], None]] = [lambda: os.kill(process, signal.SIGKILL), lambda: service.kill("redis")]
    for step in steps if first == "process" else reversed(steps):
        step()
        time.sleep(milliseconds / 1000)
    time.sleep(2)  # so that the worker notices both
    service.start_redis()
    began = time.monotonic()
    service.wait_for("the job's end", lambda: not service.record(job_id).status.active, BOUND_SECONDS)
    assert service.record(job_id).status is JobStatus.DONE, service.logs()
    assert service.processes["worker-0"].poll() is None, "the worker recovers by itself"
    sys.stdout.write(f"{time.monotonic() - began:.0f} s\n")
