"""`python -m services.worker.engine_report`: stores what this machine can run, unless that was done recently."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from services.worker.settings import WorkerSettings
from shared.domain.engine_report import DiskFinding, EngineReport
from shared.engines.catalog import Setup
from shared.engines.check import check_slots, check_weights
from shared.engines.settings import EngineSettings, MediaSettings
from shared.infra.database.engine_reports import SqlEngineReportStore
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_database_for

RECENT = timedelta(minutes=5)  # several workers of one machine start together
NICENESS = 19  # the report must not delay stages


def report_engines(at: datetime, storage: StorageSettings, scratch: Path) -> EngineReport:
    setup = Setup(engines=EngineSettings(), media=MediaSettings())
    folders = {"weights": setup.engines.models_dir, "running stages": scratch}
    if not storage.bucket:
        folders["recordings and transcripts"] = storage.folder
    return EngineReport(
        host=socket.gethostname(),
        at=at,
        version=_version(),
        slots=check_slots(setup),
        weights=check_weights(setup.engines),
        disks=tuple(_disks(folders)),
    )


def _disks(folders: dict[str, Path]) -> Iterator[DiskFinding]:
    for used_for, folder in folders.items():
        path = folder.expanduser()
        # The folder of the weights may not exist before the first fetch.
        present = next(one for one in (path, *path.parents) if one.exists())
        space = shutil.disk_usage(present)
        yield DiskFinding(used_for=used_for, free_bytes=space.free, total_bytes=space.total)


def _version() -> str:
    try:
        return version("undertone")
    except PackageNotFoundError:  # the images contain the packages without their metadata
        return "unknown"


def main() -> int:
    os.nice(NICENESS)
    storage = StorageSettings()
    with closing(open_database_for(DatabaseSettings(), storage)) as database:
        store = SqlEngineReportStore(database)
        if not store.is_recent(socket.gethostname(), RECENT):
            store.replace(report_engines(database.now, storage, WorkerSettings().scratch))
    return 0


if __name__ == "__main__":
    sys.exit(run_service(main))
