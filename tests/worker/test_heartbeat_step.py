"""The heartbeat of a worker's main process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.worker.app import make_app
from services.worker.heartbeat_step import HeartbeatStep
from services.worker.settings import WorkerSettings
from shared.infra.heartbeat import HEARTBEAT_FILE_VARIABLE, HEARTBEAT_SECONDS
from shared.infra.queue_settings import QueueSettings, RedisSettings


@dataclass
class Entry:
    seconds: float
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class MemoryTimer:
    """Stores scheduled calls, like the timer of Celery's event loop."""

    entries: list[Entry] = field(default_factory=list)

    def call_after(self, seconds: float, call: Callable[[], None]) -> Entry:
        self.entries.append(Entry(seconds, call))
        return self.entries[-1]

    call_repeatedly = call_after


@dataclass
class Consumer:
    timer: MemoryTimer = field(default_factory=MemoryTimer)


@pytest.fixture
def heartbeat_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HEARTBEAT_FILE_VARIABLE, str(tmp_path / "healthy"))
    monkeypatch.setenv("STORAGE__FOLDER", str(tmp_path))
    monkeypatch.delenv("DATABASE__URL", raising=False)
    return tmp_path / "healthy"


def test_the_event_loop_writes_a_heartbeat_from_the_start(heartbeat_file: Path) -> None:
    consumer = Consumer()
    step = HeartbeatStep(consumer)
    assert step.enabled
    step.start(consumer)
    assert [entry.seconds for entry in consumer.timer.entries] == [0, HEARTBEAT_SECONDS]
    assert not heartbeat_file.exists()
    consumer.timer.entries[0].call()
    assert heartbeat_file.exists()
    step.stop(consumer)
    assert all(entry.cancelled for entry in consumer.timer.entries)


def test_there_is_no_heartbeat_while_the_database_is_unavailable(
    heartbeat_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE__URL", "postgresql://undertone:a-password@127.0.0.1:9/undertone")
    consumer = Consumer()
    HeartbeatStep(consumer).start(consumer)
    consumer.timer.entries[1].call()
    assert not heartbeat_file.exists()
    said = capsys.readouterr().out
    assert "worker.database_unreachable" in said and "a-password" not in said


def test_the_heartbeat_is_disabled_outside_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HEARTBEAT_FILE_VARIABLE, raising=False)
    assert not HeartbeatStep(Consumer()).enabled


def test_the_worker_has_the_heartbeat_step() -> None:
    redis = RedisSettings.model_validate({"url": "redis://localhost/0"})
    assert HeartbeatStep in make_app(WorkerSettings(), QueueSettings(), redis).steps["consumer"]
