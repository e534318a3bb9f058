"""Ports for the job store: for tenants, for workers, and for the queue sweep."""

from __future__ import annotations

from typing import Protocol

from shared.domain.job_record import ErasureRecord, JobFilter, JobRecord, NewJob
from shared.domain.page import Page


class JobStore(Protocol):
    def add(self, tenant: str, new: NewJob, *, max_stored: int | None = None) -> JobRecord: ...

    def stored_bytes(self, tenant: str) -> int: ...

    def find(self, tenant: str, job_id: str) -> JobRecord | None: ...

    def list(
        self, tenant: str, *, only: JobFilter | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[JobRecord]: ...

    def cancel(self, tenant: str, job_id: str) -> JobRecord: ...

    def retry(self, tenant: str, job_id: str) -> JobRecord: ...

    def caption(self, tenant: str, job_id: str) -> JobRecord: ...

    def erase(self, tenant: str, job_id: str, *, by: str, reason: str) -> ErasureRecord: ...

    def erasure_record(self, tenant: str, job_id: str) -> ErasureRecord | None: ...
