"""Helpers for tests of the service: a manual clock and small jobs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from shared.domain.job import Job, Source
from shared.domain.job_record import NewJob
from shared.domain.work import Claim, PlannedStage
from shared.infra.database.engine import Database
from shared.infra.database.schema import outbox
from shared.infra.database.work import SqlWorkStore

MINUTE = timedelta(minutes=1)
LOST = timedelta(hours=1)

# A small stage graph: two stages that may run in parallel, and one that needs both.
PLAN = (
    PlannedStage(name="decode"),
    PlannedStage(name="diarize", needs=("decode",)),
    PlannedStage(name="transcribe", needs=("decode",), queue="gpu"),
    PlannedStage(name="publish", needs=("diarize", "transcribe")),
)
ONE_STAGE = (PlannedStage(name="publish"),)


@dataclass
class MovableClock:
    now: datetime = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


def new_job(stages: tuple[PlannedStage, ...] = PLAN, **changes: Any) -> NewJob:
    recording = Source(name="secret-name.mp4", sha256="0" * 64)
    return NewJob(job=Job(id=uuid4().hex, recording=recording), stages=stages, **changes)


def held(work: SqlWorkStore, job_id: str, stage: str, worker: str = "w1", lease: timedelta = MINUTE) -> Claim:
    claim = work.claim(job_id, stage, worker, lease)
    assert isinstance(claim, Claim), claim
    return claim


def outbox_events(database: Database) -> list[dict[str, Any]]:
    with database.reading() as connection:
        return [json.loads(body) for (body,) in connection.execute(select(outbox.c.body))]
