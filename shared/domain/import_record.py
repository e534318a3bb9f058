"""An import: a recording that a connector announced and that the gateway fetches."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.domain.value import Value


class ImportStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class ImportRecord(Value):
    id: str
    tenant: str
    connector: str
    status: ImportStatus = ImportStatus.PENDING
    content: str | None = Field(default=None, repr=False)  # encrypted; None once it is not needed any more
    attempts: int = Field(default=0, ge=0)
    next_attempt_at: datetime | None
    lease: str | None = None  # of the latest attempt, and the id of the job that it creates
    job_id: str | None = None  # once the job exists
    error: str | None = None  # the code of the latest attempt's error
    created_at: datetime
    finished_at: datetime | None = None


class ImportClaim(Value):
    """The right of one process to make an attempt; files of one group are imported together."""

    lease: str
    records: tuple[ImportRecord, ...] = Field(min_length=1)  # as they were before the claim
