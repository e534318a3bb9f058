"""The dispatcher's tasks over one SQLite file, one folder of blobs and a queue in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.dispatcher.erasure import Erasure
from services.dispatcher.stuck_work import StuckWork
from shared.domain.job_blobs import job_folder
from shared.domain.work import StageStatus
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.retention_settings import RetentionSettings
from shared.infra.ticket_sender import TicketSender
from tests.service_fakes import ONE_STAGE, MovableClock, held, new_job
from tests.worker.worker_harness import MemoryQueue

DAY = timedelta(days=1)


@dataclass
class DispatcherHarness:
    database: Database
    clock: MovableClock
    folder: Path

    def __post_init__(self) -> None:
        self.jobs = SqlJobStore(self.database)
        self.work = SqlWorkStore(self.database)
        self.blobs = FolderBlobs(self.folder / "blobs")
        self.queue = MemoryQueue()
        self.tickets = TicketSender(SqlWorkQueue(self.database), self.queue, max_waiting=4)
        self.stuck_work = StuckWork(self.tickets)
        self.erasure = Erasure(self.database, self.blobs, RetentionSettings().periods)

    def publish(self) -> str:
        job = self.jobs.add("ours", new_job(ONE_STAGE))
        self.work.publish(held(self.work, job.id, "publish"), seconds=1)
        return job.id

    def state(self, job_id: str) -> StageStatus:
        """The status of the job's first stage."""
        record = self.jobs.find("ours", job_id)
        assert record is not None
        return record.stages[0].status

    def blobs_of(self, job_id: str) -> set[str]:
        return {key.rsplit("/", 1)[-1] for key in self.blobs.keys("ours", job_folder(job_id))}

    def delete(self) -> None:
        """Run every task of erasure and retention once."""
        self.erasure.delete_expired()
        self.erasure.finish_erasures()
        self.erasure.delete_old_rows()
