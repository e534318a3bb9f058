"""A worker in this process over a real database and real blobs, with scripted engines and a manual clock."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from services.dispatcher.erasure import Erasure
from services.worker.engine_cache import EngineCache
from services.worker.run_stage import StageOutcome, StageRunner
from services.worker.scratch import Scratch
from services.worker.settings import WorkerSettings
from shared.domain.job import Job, JobOptions, Source, Track
from shared.domain.job_blobs import platform_transcript_key, recording_key, track_key
from shared.domain.job_record import JobRecord, NewJob
from shared.domain.span import span
from shared.domain.stage_plan import plan_stages
from shared.domain.work import StageRow, Ticket
from shared.engines.catalog import Setup, Slot, choose
from shared.infra.database.engine import Database, open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.queue_celery import CeleryQueue
from shared.infra.retention_settings import RetentionSettings
from shared.infra.ticket_sender import TicketSender
from shared.ports.blobs import BlobStore
from tests.fakes import (
    ScriptedDecoder,
    ScriptedDetector,
    ScriptedEncoder,
    ScriptedSegmenter,
    ScriptedTranscriber,
    tone,
    word,
)
from tests.service_fakes import MovableClock
from tests.stores import Stores

TENANT = "ours"
MEDIA = b"a recording"


@dataclass
class MemoryQueue(CeleryQueue):
    """Stores sent tickets, in order."""

    tickets: list[Ticket] = field(default_factory=list)

    def send(self, ticket: Ticket) -> None:
        self.tickets.append(ticket)

    def waiting_tickets(self, queue: str) -> set[tuple[str, str]]:
        return {(ticket.job_id, ticket.stage) for ticket in self.tickets if ticket.queue == queue}

    def waiting(self, queue: str) -> int:
        return sum(ticket.queue == queue for ticket in self.tickets)


def engines() -> dict[str, Any]:
    return {
        "decoder": ScriptedDecoder(tone(3.0)),
        "vad": ScriptedDetector([span(0.2, 2.8)]),
        "asr": ScriptedTranscriber([word("hello", 0.5, 1.0), word("there", 1.0, 1.5)]),
        "speaker": ScriptedEncoder(),
        "segmentation": ScriptedSegmenter([[span(0.2, 2.8)]]),
    }


@dataclass
class WorkerHarness:
    database: Database
    clock: MovableClock
    blobs: BlobStore
    runner: StageRunner
    queue: MemoryQueue
    tickets: TicketSender
    jobs: SqlJobStore

    @classmethod
    def at(
        cls,
        folder: Path,
        setup: Setup,
        slots: Mapping[str, Any] | None = None,
        max_seconds: float = 3600,
        stores: Stores | None = None,
    ) -> WorkerHarness:
        clock = MovableClock()
        stores = stores or Stores(folder, f"sqlite:///{folder / 'undertone.db'}", {})
        database = open_database(stores.database_url, clock=clock)
        for tenant in (TENANT, "theirs"):
            SqlKeyStore(database).ensure_tenant(tenant)
        blobs = stores.blobs(database)
        queue, jobs = MemoryQueue(), SqlJobStore(database)
        tickets = TicketSender(SqlWorkQueue(database), queue, max_waiting=4)
        filled = engines() if slots is None else slots

        def load(slot: Slot[Any], requested: str | None, machine: Setup) -> Any:
            return filled[slot.name] if slot.name in filled else choose(slot, requested, machine)

        runner = StageRunner(
            worker="w1",
            work=SqlWorkStore(database),
            jobs=jobs,
            blobs=blobs,
            index_transcript=SqlTranscriptIndex(database).index_transcript,
            engines=EngineCache(600, load),
            setup=setup,
            scratch=Scratch(folder / "scratch"),
            settings=WorkerSettings(poll_seconds=0.05, scratch=folder / "scratch"),
            max_seconds=max_seconds,
            send_pending=tickets.send_pending,
        )
        made = cls(database, clock, blobs, runner, queue, tickets, jobs)
        weakref.finalize(made, database.close)  # a test may create several
        return made

    def changed(self, **changes: Any) -> StageRunner:
        return replace(self.runner, **changes)

    def submit(
        self,
        tenant: str = TENANT,
        *,
        track: bytes = b"",
        transcript: bytes = b"",
        media: bytes = MEDIA,
        captions: bool = False,
    ) -> str:
        job = Job(
            id=uuid4().hex,
            recording=_source("secret-name.mp4", media or transcript),
            text_only=not media,
            tracks=(Track(**_source("Ana", track).model_dump()),) if track else (),
            platform_transcript=_source("secret-name.vtt", transcript) if transcript else None,
            options=JobOptions(modalities=(), captions=captions),
        )
        if media:
            self.blobs.put(tenant, recording_key(job.id), [media])
        if track:
            self.blobs.put(tenant, track_key(job.id, 0), [track])
        if transcript:
            self.blobs.put(tenant, platform_transcript_key(job.id), [transcript])
        self.jobs.add(tenant, NewJob(job=job, stages=plan_stages(job)))
        return job.id

    def until(self, stage: str) -> None:
        """Run every stage before this one."""
        self.tickets.send_pending()
        while self.queue.tickets and (ticket := self._next(lambda one: one.stage != stage)) is not None:
            assert self.runner.run(ticket.job_id, ticket.stage) is StageOutcome.DONE

    def run_all(self) -> list[str]:
        """Run until no stage is left; return the stages in the order in which they ran."""
        ran: list[str] = []
        self.tickets.send_pending()
        while (ticket := self.next_ticket()) is not None:
            self.runner.run(ticket.job_id, ticket.stage)
            ran.append(ticket.stage)
        return ran

    def next_ticket(self) -> Ticket | None:
        return self._next(lambda _: True)

    def _next(self, matches: Callable[[Ticket], bool]) -> Ticket | None:
        found = next((ticket for ticket in self.queue.tickets if matches(ticket)), None)
        if found is not None:
            self.queue.tickets.remove(found)
        return found

    def finish_erasures(self) -> None:
        Erasure(self.database, self.blobs, RetentionSettings().periods).finish_erasures()

    def record(self, job_id: str) -> JobRecord:
        found = self.jobs.find(TENANT, job_id)
        assert found is not None
        return found

    def stage(self, job_id: str, name: str) -> StageRow:
        return next(stage for stage in self.record(job_id).stages if stage.name == name)

    def later(self, seconds: float) -> None:
        self.clock.move(timedelta(seconds=seconds))


def _source(name: str, content: bytes) -> Source:
    return Source(name=name, sha256=hashlib.sha256(content).hexdigest())
