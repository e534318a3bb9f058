"""A job as the service keeps it: whose it is, where it stands, how it ended, and what is left after erasure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import Field, JsonValue, field_validator

from shared.domain.error import InvalidRequest
from shared.domain.governance import Consent
from shared.domain.job import Job
from shared.domain.retention import Retention
from shared.domain.value import Value
from shared.domain.work import STAGES_AFTER_JOB, PlannedStage, StageRow, StageStatus, check_plan

MAX_METADATA = 8192  # bytes as JSON: it travels in every webhook, which must stay under 20 kB


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ERASING = "erasing"  # to its tenant already gone; the sweep goes on until storage confirms
    ERASED = "erased"  # only the tombstone is left

    @property
    def active(self) -> bool:
        return self in (JobStatus.QUEUED, JobStatus.RUNNING)

    @property
    def deleted(self) -> bool:
        return self in (JobStatus.ERASING, JobStatus.ERASED)


def stage_may_run(status: JobStatus, stage: str) -> bool:
    """Whether a stage of a job that stands so is worked on."""
    return status.active or (status is JobStatus.DONE and stage in STAGES_AFTER_JOB)


class JobFailure(Value):
    """Why a job failed: a code of ours, a sentence without a word of the recording, and the stage if there is one."""

    code: str
    message: str
    stage: str | None = None


class NewJob(Value):
    """What is handed in: the request, the plan of its stages, and what the client wants to get back."""

    job: Job
    stages: tuple[PlannedStage, ...]
    metadata: Mapping[str, JsonValue] = {}
    consent: Consent | None = None
    retention: Retention | None = None
    key_id: str | None = None
    media_bytes: int = Field(default=0, ge=0)  # the recording and what came beside it
    # The media's hash with the normalized options: a client's repeat is attached to the running job.
    digest: str | None = None

    @field_validator("stages")
    @classmethod
    def _runnable(cls, stages: tuple[PlannedStage, ...]) -> tuple[PlannedStage, ...]:
        check_plan(stages)
        return stages

    def check(self) -> None:
        """What only a client can get wrong."""
        if len(self.model_dump_json(include={"metadata"})) > MAX_METADATA:
            raise InvalidRequest(f"The metadata are longer than {MAX_METADATA} bytes as JSON.")


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
    media_deleted_at: datetime | None = None  # when retention took them

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def progress(self) -> float:
        """The share of the stages up to the job's end that is done; a running one counts by its own share."""
        counted = [stage for stage in self.stages if stage.name not in STAGES_AFTER_JOB]
        shares = (1.0 if stage.status is StageStatus.DONE else stage.progress for stage in counted)
        return sum(shares) / max(1, len(counted))


class ErasureRecord(Value):
    """What stays of an erased job: enough to prove the erasure, nothing of what was erased."""

    id: str
    tenant: str
    created_at: datetime
    erased_at: datetime | None = Field(description="None while storage has not confirmed yet")
    erased_by: str
    reason: str


class JobFilter(Value):
    """Which jobs a list shows; every field left out means all."""

    statuses: frozenset[JobStatus] = frozenset()
    created_from: datetime | None = None
    created_before: datetime | None = None
    digest: str | None = None
