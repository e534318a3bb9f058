"""The API's view of a job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, Field, JsonValue

from shared.domain.job_record import JobRecord, JobStatus
from shared.domain.work import StageStatus

MIN_PROGRESS_FOR_ESTIMATE = 0.05  # share of the work done; with less, the estimate of the rest is too inaccurate


class StageView(BaseModel):
    name: str
    status: StageStatus
    progress: float = Field(ge=0, le=1)
    seconds: float | None = None


class ErrorView(BaseModel):
    code: str
    message: str
    stage: str | None = None


class RecordingView(BaseModel):
    name: str
    sha256: str


class JobView(BaseModel):
    id: str
    name: str = Field(description="Of the meeting: its recording's, unless it was renamed")
    status: JobStatus
    progress: float = Field(ge=0, le=1)
    seconds_left: float | None = Field(default=None, description="Seconds, estimated from what has been done so far")
    stages: tuple[StageView, ...]
    recording: RecordingView
    error: ErrorView | None = None
    metadata: Mapping[str, JsonValue] = {}
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = Field(default=None, description="From the beginning of the work to its end, or until now")
    transcript_url: str | None = None


class AcceptedView(JobView):
    callback_secret: str | None = Field(
        default=None, description="Verifies the signatures of the callback; it is not shown again"
    )


class JobPage(BaseModel):
    items: tuple[JobView, ...]
    next_cursor: str | None = None


def view(record: JobRecord, now: datetime) -> JobView:
    seconds = None
    if record.started_at is not None:
        seconds = max(0.0, ((record.finished_at or now) - record.started_at).total_seconds())
    done = record.status is JobStatus.DONE
    return JobView(
        id=record.id,
        name=record.job.title,
        status=record.status,
        progress=1.0 if done else round(record.progress, 4),
        seconds_left=_seconds_left(record, seconds),
        stages=tuple(
            StageView(name=stage.name, status=stage.status, progress=stage.progress, seconds=stage.seconds)
            for stage in record.stages
        ),
        recording=RecordingView(name=record.job.recording.name, sha256=record.job.recording.sha256),
        error=ErrorView.model_validate(record.error.model_dump()) if record.error else None,
        metadata=record.metadata,
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        seconds=None if seconds is None else round(seconds, 3),
        transcript_url=f"/v1/transcripts/{record.id}" if done else None,
    )


def _seconds_left(record: JobRecord, seconds: float | None) -> float | None:
    if record.status is not JobStatus.RUNNING or seconds is None or record.progress < MIN_PROGRESS_FOR_ESTIMATE:
        return None
    return round(seconds * (1 - record.progress) / record.progress, 1)
