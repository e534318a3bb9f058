"""A worker's main process starts the report of its machine's engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.worker.app import make_app
from services.worker.report_step import REAP_SECONDS, REPORT_SECONDS, ReportStep
from services.worker.settings import WorkerSettings
from shared.infra.database.engine import open_database
from shared.infra.database.engine_reports import SqlEngineReportStore
from shared.infra.queue_settings import QueueSettings, RedisSettings
from tests.gateway.serving import eventually
from tests.worker.test_heartbeat_step import Consumer


@pytest.fixture
def consumer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Consumer:
    monkeypatch.setenv("STORAGE__FOLDER", str(tmp_path))
    monkeypatch.setenv("WORKER__SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("ENGINES__MODELS_DIR", str(tmp_path / "none"))
    monkeypatch.delenv("DATABASE__URL", raising=False)
    return Consumer()


def test_the_machine_is_reported_by_another_process(consumer: Consumer, tmp_path: Path) -> None:
    step = ReportStep(consumer)
    step.start(consumer)
    first, hourly, reap = consumer.timer.entries
    assert (hourly.seconds, reap.seconds) == (REPORT_SECONDS, REAP_SECONDS)
    first.call()
    hourly.call()  # the first is still running
    database = open_database(f"sqlite:///{tmp_path / 'undertone.db'}")
    assert eventually(lambda: len(SqlEngineReportStore(database).list()) == 1, 120)
    database.close()
    step.stop(consumer)
    assert all(entry.cancelled for entry in consumer.timer.entries)


def test_a_failed_report_is_logged(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE__URL", "nonsense")
    step = ReportStep(consumer)
    step.start(consumer)
    first, _, reap = consumer.timer.entries
    first.call()

    said: list[str] = []

    def logged() -> bool:
        reap.call()
        said.append(capsys.readouterr().out)
        return "worker.engine_report_failed" in "".join(said)

    assert eventually(logged, 60)
    step.stop(consumer)


def test_the_worker_has_the_step() -> None:
    redis = RedisSettings.model_validate({"url": "redis://localhost/0"})
    assert ReportStep in make_app(WorkerSettings(), QueueSettings(), redis).steps["consumer"]
