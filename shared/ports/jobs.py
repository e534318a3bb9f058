"""Ports for the job store: for tenants, for workers, and for the queue sweep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from shared.domain.job_record import ErasureRecord, JobFailure, JobFilter, JobRecord, NewJob
from shared.domain.page import Page
from shared.domain.work import Claim, Refusal, SweepResult, Ticket


class JobStore(Protocol):
    """A tenant's operations on its jobs; another tenant's job is NotFound, like one that does not exist."""

    def add(self, tenant: str, new: NewJob, *, max_stored: int | None = None) -> JobRecord:
        """Store the job and its stages as queued, in one transaction.

        Raises QuotaExceeded if the tenant's recordings would exceed `max_stored` bytes, also with concurrent calls.
        """
        ...

    def stored_bytes(self, tenant: str) -> int:
        """Total bytes of the tenant's recordings and additional files that are not erased yet."""
        ...

    def find(self, tenant: str, job_id: str) -> JobRecord | None: ...

    def list(
        self, tenant: str, *, only: JobFilter | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[JobRecord]:
        """The jobs, newest first."""
        ...

    def cancel(self, tenant: str, job_id: str) -> JobRecord:
        """Cancel the job; raises StateConflict if it has already ended."""
        ...

    def retry(self, tenant: str, job_id: str) -> JobRecord:
        """Run the unfinished stages of a failed or cancelled job again."""
        ...

    def caption(self, tenant: str, job_id: str) -> JobRecord:
        """Request the captioned video of a finished job; idempotent, and retries a failed caption stage."""
        ...

    def erase(self, tenant: str, job_id: str, *, by: str, reason: str) -> ErasureRecord:
        """Hide the job from its tenant immediately; the sweep erases its data later. Idempotent."""
        ...

    def erasure_record(self, tenant: str, job_id: str) -> ErasureRecord | None: ...


class WorkStore(Protocol):
    """A worker's operations. Job ids come from the queue, never from a request; the claim contains the tenant."""

    def claim(self, job_id: str, stage: str, worker: str, lease: timedelta) -> Claim | Refusal:
        """Claim the stage if it is free or its lease has expired; the attempt is counted before any work."""
        ...

    def job(self, claim: Claim) -> JobRecord:
        """The job of the claim. This and all methods below raise LeaseLost if the claim is no longer valid."""
        ...

    def extend(self, claim: Claim, lease: timedelta, *, progress: float | None = None) -> Claim: ...

    def finish_stage(self, claim: Claim, *, seconds: float) -> tuple[Ticket, ...]:
        """Mark the stage as done; stages whose needs are now met become pending and are returned."""
        ...

    def publish(self, claim: Claim, *, seconds: float, recording_seconds: float | None = None) -> JobRecord:
        """Mark the job as done and add its event to the outbox, in one transaction; stages after the job may run."""
        ...

    def requeue(self, claim: Claim, *, delay: timedelta, counted: bool = True) -> None:
        """Schedule another attempt; not counted if the cause is neither recording nor worker, such as a full disk."""
        ...

    def rerun_needed(self, claim: Claim, need: str) -> bool:
        """Run a needed stage again because its output is lost; the claimed stage waits, and no attempt is counted.

        Returns False and changes nothing if the needed stage has no attempt left.
        """
        ...

    def fail(self, claim: Claim, failure: JobFailure) -> JobRecord:
        """Mark the job as failed and add its event to the outbox; of the stages after the job, only the stage fails."""
        ...


class WorkQueue(Protocol):
    """Queue maintenance for all tenants; every call may run on any process, at any time, and repeatedly."""

    def any_ready(self, queues: Sequence[str]) -> bool:
        """Whether `next_tickets` could return something if the queue had capacity; a cheap read-only query."""
        ...

    def next_tickets(self, queue: str, *, max_waiting: int) -> tuple[Ticket, ...]:
        """The tickets to enqueue up to about `max_waiting` waiting messages, round-robin by tenant, marked as sent."""
        ...

    def sweep(self, *, lost_after: timedelta) -> SweepResult:
        """Free stages with expired leases, fail poisonous jobs, and resend tickets that the queue lost."""
        ...

    def pending_erasures(self, *, limit: int = 100) -> tuple[ErasureRecord, ...]:
        """Jobs whose blobs may be erased now because no lease on them is valid any more."""
        ...

    def finish_erasure(self, tenant: str, job_id: str) -> None:
        """Delete the job from the database after storage has confirmed; the erasure record remains."""
        ...
