"""The work of a job, stage by stage: planned, waiting for its needs, claimed by one worker for a while, finished."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.domain.error import InvalidRequest
from shared.domain.value import Value

CAPTION = "caption"
# They follow the end of their job and hold nothing of it up: should one fail, the job is done all the same.
STAGES_AFTER_JOB = frozenset({CAPTION})

MAX_ATTEMPTS = 3  # after that many claims that came to no end, a recording counts as poisonous


class StageStatus(StrEnum):
    WAITING = "waiting"  # something that it needs is not done
    PENDING = "pending"  # may be claimed
    RUNNING = "running"  # claimed; another may take it once the lease has run out
    DONE = "done"
    FAILED = "failed"


class PlannedStage(Value):
    """One node of a job's graph, as the queue needs to know it."""

    name: str = Field(min_length=1, max_length=64)
    needs: tuple[str, ...] = ()
    queue: str = "cpu"


class StageRow(PlannedStage):
    """Where one stage of one job stands."""

    status: StageStatus
    attempts: int = Field(default=0, ge=0)
    worker: str | None = None
    lease_until: datetime | None = None
    progress: float = Field(default=0.0, ge=0, le=1)
    seconds: float | None = Field(default=None, ge=0)
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Ticket(Value):
    """All that a queue message carries."""

    job_id: str
    stage: str
    queue: str = "cpu"


class Claim(Value):
    """The right to run a stage until the lease ends; the attempt's number tells an old holder from the new one."""

    tenant: str
    job_id: str
    stage: str
    worker: str
    attempt: int = Field(ge=1)
    lease_until: datetime


class Refusal(StrEnum):
    """Why a claim was not granted; in every case the message is acknowledged and forgotten."""

    UNKNOWN = "unknown"
    HELD = "held"  # another worker's lease is alive
    NOT_READY = "not_ready"
    DONE = "done"
    JOB_ENDED = "job_ended"
    POISONED = "poisoned"  # this claim would have been one too many; the job has failed now


class SweepResult(Value):
    """What a sweep of leases found."""

    freed: int = 0
    poisoned: int = 0


def check_plan(stages: Sequence[PlannedStage]) -> None:
    """A plan must be runnable to its end: names once, needs known, no circle, one last stage."""
    names = [stage.name for stage in stages]
    if not names or len(set(names)) != len(names):
        raise InvalidRequest("A plan names at least one stage, and each only once.")
    done: set[str] = set()
    while len(done) < len(names):
        ready = {stage.name for stage in stages if stage.name not in done and set(stage.needs) <= done}
        if not ready:
            raise InvalidRequest(f"The stages {', '.join(sorted(set(names) - done))} can never begin.")
        done |= ready
