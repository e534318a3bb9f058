"""A job as stored by the service: tenant, status, stages, error, and the record that remains after erasure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from pydantic import Field, JsonValue, field_validator

from shared.domain.error import InvalidRequest
from shared.domain.governance import Consent
from shared.domain.job import Job
from shared.domain.retention import Retention
from shared.domain.stage_plan import STAGES_AFTER_JOB
from shared.domain.value import Value
from shared.domain.work import PlannedStage, StageRow, StageStatus, check_plan

MAX_METADATA = 8192  # bytes as JSON: every webhook contains it, and must stay under 20 kB


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ERASING = "erasing"  # no longer visible to its tenant; the sweep repeats until storage confirms
    ERASED = "erased"  # only the erasure record is left

    @property
    def active(self) -> bool:
        return self in (JobStatus.QUEUED, JobStatus.RUNNING)

    @property
    def deleted(self) -> bool:
        return self in (JobStatus.ERASING, JobStatus.ERASED)


def stage_may_run(status: JobStatus, stage: str) -> bool:
    """Whether a stage of a job with this status may run."""
    return status.active or (status is JobStatus.DONE and stage in STAGES_AFTER_JOB)


class JobFailure(Value):
    """Why a job failed: an error code, a message without content of the recording, and the stage if there is one."""

    code: str
    message: str
    stage: str | None = None


class NewJob(Value):
    """A submitted job: the request, its stage plan, and the client's metadata."""

    job: Job
    stages: tuple[PlannedStage, ...]
    metadata: Mapping[str, JsonValue] = {}
    consent: Consent | None = None
    retention: Retention | None = None
    key_id: str | None = None
    media_bytes: int = Field(default=0, ge=0)  # the recording and its additional files
    # Hash of media and normalized options: a repeated submission is attached to the running job.
    digest: str | None = None

    @field_validator("stages")
    @classmethod
    def _runnable(cls, stages: tuple[PlannedStage, ...]) -> tuple[PlannedStage, ...]:
        check_plan(stages)
        return stages

    def check(self) -> None:
        """Check what depends on client input."""
        if len(self.model_dump_json(include={"metadata"})) > MAX_METADATA:
            raise InvalidRequest(f"The metadata exceeds {MAX_METADATA} bytes as JSON.")


JobTime: TypeAlias = Literal["created_at", "started_at", "finished_at"]


class JobRecord(Value):
    job: Job
    tenant: str
    status: JobStatus
    stages: tuple[StageRow, ...]
    metadata: Mapping[str, JsonValue] = {}
    consent: Consent | None = None
    retention: Retention | None = None
    key_id: str | None = None
    digest: str | None = None
    error: JobFailure | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    media_deleted_at: datetime | None = None  # when retention deleted the media

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def progress(self) -> float:
        """The finished share of the stages that the job needs; a running stage counts by its own progress."""
        counted = [stage for stage in self.stages if stage.name not in STAGES_AFTER_JOB]
        shares = (1.0 if stage.status is StageStatus.DONE else stage.progress for stage in counted)
        return sum(shares) / max(1, len(counted))


class ErasureRecord(Value):
    """What remains of an erased job: proof of the erasure, without any erased content."""

    id: str
    tenant: str
    created_at: datetime
    erased_at: datetime | None = Field(description="None while storage has not confirmed yet")
    erased_by: str
    reason: str


class JobFilter(Value):
    """Filter for a list of jobs; an omitted field matches all jobs."""

    statuses: frozenset[JobStatus] = frozenset()
    created_from: datetime | None = None
    created_before: datetime | None = None
    digest: str | None = None
