"""Where jobs are kept: as their tenant sees them, as workers work on them, and as the sweep keeps them going."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from shared.domain.job_record import ErasureRecord, JobFailure, JobFilter, JobRecord, NewJob
from shared.domain.page import Page
from shared.domain.work import Claim, Refusal, SweepResult, Ticket


class JobStore(Protocol):
    """What a tenant may do with its jobs; another tenant's job is NotFound, like one that never was."""

    def add(self, tenant: str, new: NewJob, *, max_stored: int | None = None) -> JobRecord:
        """Keep the job with its stages, queued, in one transaction.

        QuotaExceeded if with it the tenant's recordings were more than `max_stored` bytes, whoever adds at once.
        """
        ...

    def stored_bytes(self, tenant: str) -> int:
        """Bytes of the tenant's recordings, and what came beside them, that are not erased yet."""
        ...

    def find(self, tenant: str, job_id: str) -> JobRecord | None: ...

    def list(
        self, tenant: str, *, only: JobFilter | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[JobRecord]:
        """The jobs from new to old."""
        ...

    def cancel(self, tenant: str, job_id: str) -> JobRecord:
        """StateConflict when it has ended already."""
        ...

    def retry(self, tenant: str, job_id: str) -> JobRecord:
        """Run again what is missing of a failed or cancelled job."""
        ...

    def caption(self, tenant: str, job_id: str) -> JobRecord:
        """Have the captioned video of a job that is done made; asking again changes nothing, or tries what failed."""
        ...

    def erase(self, tenant: str, job_id: str, *, by: str, reason: str) -> ErasureRecord:
        """Gone for its tenant from now on; the sweep erases what it left. Doing it again is no error."""
        ...

    def erasure_record(self, tenant: str, job_id: str) -> ErasureRecord | None: ...


class WorkStore(Protocol):
    """What a worker does, on ids out of our own queue and never out of a request: they name no tenant, claims do."""

    def claim(self, job_id: str, stage: str, worker: str, lease: timedelta) -> Claim | Refusal:
        """Take the stage if it is free, or its holder's lease ran out; the attempt is counted before any work."""
        ...

    def job(self, claim: Claim) -> JobRecord:
        """The job that the claim is for. Like all that follows: LeaseLost if the claim no longer holds."""
        ...

    def extend(self, claim: Claim, lease: timedelta, *, progress: float | None = None) -> Claim: ...

    def finish_stage(self, claim: Claim, *, seconds: float) -> tuple[Ticket, ...]:
        """Done; the stages whose needs are met now are pending, and returned."""
        ...

    def publish(self, claim: Claim, *, seconds: float, recording_seconds: float | None = None) -> JobRecord:
        """The job is done and its announcement is in the outbox, in one transaction; what follows its end may run."""
        ...

    def requeue(self, claim: Claim, *, delay: timedelta, counted: bool = True) -> None:
        """Another attempt later; uncounted when neither recording nor worker is to blame, as with a full disk."""
        ...

    def rerun_needed(self, claim: Claim, need: str) -> bool:
        """What the needed stage left is lost: it is to run again, and the claim's stage waits for it, uncounted.

        False, and nothing is changed, where the needed stage has no attempt left.
        """
        ...

    def fail(self, claim: Claim, failure: JobFailure) -> JobRecord:
        """The job has failed, and its announcement is in the outbox; a stage that follows its end fails alone."""
        ...


class WorkQueue(Protocol):
    """What keeps work flowing, for all tenants together; each call may run anywhere, any time, twice."""

    def any_ready(self, queues: Sequence[str]) -> bool:
        """Whether `next_tickets` could find something if there were room; a look that writes nothing and is cheap."""
        ...

    def next_tickets(self, queue: str, *, max_waiting: int) -> tuple[Ticket, ...]:
        """What to enqueue now so that about `max_waiting` messages wait: in turns between tenants, marked as sent."""
        ...

    def sweep(self, *, lost_after: timedelta) -> SweepResult:
        """Free what a dead worker held, fail what is poisonous, send again what the queue lost."""
        ...

    def pending_erasures(self, *, limit: int = 100) -> tuple[ErasureRecord, ...]:
        """Jobs whose blobs may be erased now: nobody holds a lease on them any more."""
        ...

    def finish_erasure(self, tenant: str, job_id: str) -> None:
        """Storage has confirmed: what the database still knows goes too, and the tombstone stays."""
        ...
