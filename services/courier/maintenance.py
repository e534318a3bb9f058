"""Periodic maintenance: frees expired leases, finishes erasures, deletes expired data and old logs."""

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
    """Every task is idempotent and safe to run beside another courier."""

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
            # A failing task must not stop the others; the next sweep retries it. A traceback could contain an address.
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
                continue  # storage could not delete everything: the next sweep retries
            self.work.finish_erasure(erasure.tenant, erasure.id)
            log.info("courier.job_erased", job=erasure.id, blobs=count)

    def _delete_expired(self) -> None:
        """Delete data after its retention period: media, artifacts, and with the transcript the whole job."""
        for category, folder in (
            (RetentionCategory.MEDIA, media_folder),
            (RetentionCategory.ARTIFACTS, artifacts_folder),
        ):
            for tenant, job_id in self.expiry.expired(category, self.retention_periods[category]):
                count = self.blobs.delete_prefix(tenant, folder(job_id))
                if not any(True for _ in self.blobs.keys(tenant, folder(job_id))):
                    self.expiry.mark_deleted(category, tenant, job_id)
                    log.info("courier.data_expired", job=job_id, kept=category, blobs=count)
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
