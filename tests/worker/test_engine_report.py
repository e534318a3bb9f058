"""The report of the engines: what this machine really has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shared.domain.engine_report import EngineStatus
from shared.engines.catalog import SLOTS
from shared.infra.database.engine import open_database
from shared.infra.database.engine_reports import SqlEngineReportStore


def test_a_machine_reports_its_engines_weights_and_disks_once(tmp_path: Path) -> None:
    environment = {
        "STORAGE__FOLDER": str(tmp_path),
        "WORKER__SCRATCH": str(tmp_path / "scratch"),
        "ENGINES__MODELS_DIR": str(tmp_path / "none"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    reports = []
    for _ in range(2):
        subprocess.run([sys.executable, "-m", "services.worker.engine_report"], check=True, env=environment)
        database = open_database(f"sqlite:///{tmp_path / 'undertone.db'}")
        reports.append(SqlEngineReportStore(database).list())
        database.close()
    (report,) = reports[0]
    assert [one.slot for one in report.slots] == list(SLOTS)
    assert all(one.engines[0].status in EngineStatus for one in report.slots)
    assert not any(one.installed for one in report.weights) and report.weights
    assert {disk.used_for for disk in report.disks} == {"weights", "running stages", "recordings and transcripts"}
    assert all(0 < disk.free_bytes <= disk.total_bytes for disk in report.disks)
    assert reports[1] == reports[0], "a second worker of the machine does not repeat the work"
