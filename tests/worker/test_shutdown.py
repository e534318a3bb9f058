"""A worker waits for its running stage when it stops, up to a limit."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.worker.shutdown import ShutdownLimit
from shared.domain.work import StageStatus
from tests.running_service import cut, serving


@pytest.fixture
def quits() -> Iterator[list[float]]:
    """The times at which this process received SIGQUIT."""
    times: list[float] = []
    before = signal.signal(signal.SIGQUIT, lambda *_: times.append(time.monotonic()))
    yield times
    signal.signal(signal.SIGQUIT, before)


def test_a_warm_shutdown_becomes_cold_at_the_limit(quits: list[float]) -> None:
    limit = ShutdownLimit(0.2)
    began = time.monotonic()
    limit.begin(how="Warm")
    limit.begin(how="Warm")
    while not quits and time.monotonic() < began + 5:
        time.sleep(0.01)
    time.sleep(0.3)
    assert len(quits) == 1, "a second SIGTERM has no effect"
    assert quits[0] - began >= 0.2


def test_a_cold_shutdown_starts_no_timer(quits: list[float]) -> None:
    before = threading.active_count()
    ShutdownLimit(0.0).begin(how="Cold")
    assert threading.active_count() == before
    assert quits == []


@pytest.mark.slow
def test_a_busy_worker_stops_soon_after_its_stage_ends(tmp_path: Path) -> None:
    recording = cut(tmp_path / "standup.mp4", seconds=20.0)
    folder = tmp_path / "service"
    folder.mkdir()
    with serving(folder, settings={"WORKER__SHUTDOWN_SECONDS": "60"}) as service:
        job_id = service.submit(recording)

        def state() -> StageStatus:
            return next(stage.status for stage in service.record(job_id).stages if stage.name == "transcribe")

        service.wait_for("transcribe", lambda: state() is StageStatus.RUNNING)
        worker = service.processes.pop("worker-0")
        worker.send_signal(signal.SIGTERM)
        service.wait_for("the end of the stage", lambda: state() is StageStatus.DONE)
        ended = time.monotonic()
        assert worker.wait(timeout=60) == 0
        assert time.monotonic() - ended < 8, "the shutdown took much longer than two seconds"
        assert service.attempts(job_id)["transcribe"] == 1
        broker = redis.Redis(unix_socket_path=str(service.redis.socket))
        assert broker.hlen("unacked") == 0, "the message of the stage was not acknowledged"
        broker.close()
