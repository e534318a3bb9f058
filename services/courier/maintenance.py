"""What keeps the service tidy: dead leases are freed, erasures are finished, old logs go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from shared.domain.job_blobs import artifacts_folder, media_folder
from shared.domain.retention import RetentionCategory
from shared.ports.blobs import BlobStore
from shared.ports.jobs import JobStore, WorkQueue
from shared.ports.keys import AuditLog, IdempotencyStore
from shared.ports.retention import RetentionStore
from shared.ports.webhooks import Outbox

log = structlog.get_logger()

NO_SUCCESS = timedelta(days=5)
RECENT = timedelta(days=1)
ANSWER_RETENTION = timedelta(days=1)
AUDIT_RETENTION = timedelta(days=365)
REASON = "no_success_for_5_days"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Every chore is safe to run twice and beside another courier's."""

    work: WorkQueue
    outbox: Outbox
    audit: AuditLog
    requests: IdempotencyStore
    blobs: BlobStore
    clock: Callable[[], datetime]
    lost_after: timedelta
    log_retention: timedelta
    jobs: JobStore
    expiry: RetentionStore
    retention_periods: Mapping[RetentionCategory, timedelta | None]

    def run(self) -> None:
        for task in (
            self._free_leases,
            self._delete_expired,
            self._finish_erasures,
            self._disable_endpoints,
            self._delete_old_logs,
        ):
            try:
                task()
            # One chore that breaks must not stop the others; it comes again. A traceback could carry an address.
            except Exception as error:  # noqa: BLE001
                log.error(  # noqa: TRY400
                    "courier.task_failed", task=task.__name__.strip("_"), error=type(error).__name__
                )

    def _free_leases(self) -> None:
        swept = self.work.sweep(lost_after=self.lost_after)
        if swept.freed or swept.poisoned:
            log.info("courier.leases_freed", freed=swept.freed, poisoned=swept.poisoned)

    def _finish_erasures(self) -> None:
        for erasure in self.work.pending_erasures():
            prefix = f"jobs/{erasure.id}"
            count = self.blobs.delete_prefix(erasure.tenant, prefix)
            if any(True for _ in self.blobs.keys(erasure.tenant, prefix)):
                continue  # storage has not let go of everything: the next sweep asks again
            self.work.finish_erasure(erasure.tenant, erasure.id)
            log.info("courier.job_erased", job=erasure.id, blobs=count)

    def _delete_expired(self) -> None:
        """What has been kept for its time goes: first media, then artifacts; with the transcript goes the job."""
        for kept, folder in ((RetentionCategory.MEDIA, media_folder), (RetentionCategory.ARTIFACTS, artifacts_folder)):
            for tenant, job_id in self.expiry.expired(kept, self.retention_periods[kept]):
                count = self.blobs.delete_prefix(tenant, folder(job_id))
                if not any(True for _ in self.blobs.keys(tenant, folder(job_id))):
                    self.expiry.mark_deleted(kept, tenant, job_id)
                    log.info("courier.data_expired", job=job_id, kept=kept, blobs=count)
        for tenant, job_id in self.expiry.expired(
            RetentionCategory.TRANSCRIPT, self.retention_periods[RetentionCategory.TRANSCRIPT]
        ):
            self.jobs.erase(tenant, job_id, by="retention", reason="kept_for_its_time")

    def _disable_endpoints(self) -> None:
        count = self.outbox.disable_failing(reason=REASON, after=NO_SUCCESS, recent=RECENT)
        if count:
            log.warning("courier.endpoints_disabled", count=count, reason=REASON)

    def _delete_old_logs(self) -> None:
        now = self.clock()
        self.outbox.delete_before(now - self.log_retention)
        self.requests.delete_before(now - ANSWER_RETENTION)
        self.audit.delete_before(now - AUDIT_RETENTION)
