"""The work of a job: planned stages, their status, claims with leases, and queue messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.domain.error import InvalidRequest
from shared.domain.value import Value

MAX_ATTEMPTS = 3  # after this many unfinished claims, a recording counts as poisonous


class StageStatus(StrEnum):
    WAITING = "waiting"  # a stage that it needs is not done
    PENDING = "pending"  # may be claimed
    RUNNING = "running"  # claimed; another worker may claim it once the lease has expired
    DONE = "done"
    FAILED = "failed"


class PlannedStage(Value):
    """One node of a job's stage graph, with the fields that the queue needs."""

    name: str = Field(min_length=1, max_length=64)
    needs: tuple[str, ...] = ()
    queue: str = "cpu"


class StageRow(PlannedStage):
    """The state of one stage of one job."""

    status: StageStatus
    attempts: int = Field(default=0, ge=0)
    worker: str | None = None
    lease_until: datetime | None = None
    progress: float = Field(default=0.0, ge=0, le=1)
    seconds: float | None = Field(default=None, ge=0)
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Ticket(Value):
    """The content of a queue message."""

    job_id: str
    stage: str
    queue: str = "cpu"


class Claim(Value):
    """The right to run a stage until the lease expires; the attempt number identifies the current holder."""

    tenant: str
    job_id: str
    stage: str
    worker: str
    attempt: int = Field(ge=1)
    lease_until: datetime


class Refusal(StrEnum):
    """Why a claim was not granted; the message is acknowledged in every case."""

    UNKNOWN = "unknown"
    HELD = "held"  # another worker has a valid lease
    NOT_READY = "not_ready"
    DONE = "done"
    JOB_ENDED = "job_ended"
    POISONED = "poisoned"  # the maximum number of attempts is reached; the job has failed


class SweepResult(Value):
    """The result of a sweep of expired leases."""

    freed: int = 0
    poisoned: int = 0


def check_plan(stages: Sequence[PlannedStage]) -> None:
    """Check that a plan can finish: unique names, known needs, no cycles."""
    names = [stage.name for stage in stages]
    if not names or len(set(names)) != len(names):
        raise InvalidRequest("A plan needs at least one stage, and unique stage names.")
    done: set[str] = set()
    while len(done) < len(names):
        ready = {stage.name for stage in stages if stage.name not in done and set(stage.needs) <= done}
        if not ready:
            raise InvalidRequest(f"The stages {', '.join(sorted(set(names) - done))} can never start.")
        done |= ready
