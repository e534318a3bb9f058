"""What keeps the service tidy: dead leases are freed, erasures are finished, old logs go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from shared.domain.job_blobs import artifacts_folder, media_folder
from shared.domain.retention import Kept
from shared.ports.blobs import BlobStore
from shared.ports.expiry import Expiry
from shared.ports.jobs import JobStore, WorkQueue
from shared.ports.keys import AnsweredRequests, AuditTrail
from shared.ports.webhooks import Outbox

log = structlog.get_logger()

NO_SUCCESS = timedelta(days=5)
RECENT = timedelta(days=1)
KEEP_ANSWERS = timedelta(days=1)
KEEP_AUDIT = timedelta(days=365)
REASON = "no_success_for_5_days"


@dataclass(frozen=True, slots=True)
class House:
    """Every chore is safe to run twice and beside another courier's."""

    work: WorkQueue
    outbox: Outbox
    trail: AuditTrail
    requests: AnsweredRequests
    blobs: BlobStore
    clock: Callable[[], datetime]
    lost_after: timedelta
    keep_log: timedelta
    jobs: JobStore
    expiry: Expiry
    keep: Mapping[Kept, timedelta | None]

    def sweep(self) -> None:
        for chore in (self._free, self._expire, self._erase, self._disable, self._forget):
            try:
                chore()
            # One chore that breaks must not stop the others; it comes again. A traceback could carry an address.
            except Exception as error:  # noqa: BLE001
                log.error(  # noqa: TRY400
                    "courier.chore_failed", chore=chore.__name__.strip("_"), error=type(error).__name__
                )

    def _free(self) -> None:
        swept = self.work.sweep(lost_after=self.lost_after)
        if swept.freed or swept.poisoned:
            log.info("courier.swept", freed=swept.freed, poisoned=swept.poisoned)

    def _erase(self) -> None:
        for stone in self.work.erasing():
            prefix = f"jobs/{stone.id}"
            count = self.blobs.delete_prefix(stone.tenant, prefix)
            if any(True for _ in self.blobs.keys(stone.tenant, prefix)):
                continue  # storage has not let go of everything: the next sweep asks again
            self.work.erased(stone.tenant, stone.id)
            log.info("courier.erased", job=stone.id, blobs=count)

    def _expire(self) -> None:
        """What has been kept for its time goes: first media, then artifacts; with the transcript goes the job."""
        for kept, folder in ((Kept.MEDIA, media_folder), (Kept.ARTIFACTS, artifacts_folder)):
            for tenant, job_id in self.expiry.due(kept, self.keep[kept]):
                count = self.blobs.delete_prefix(tenant, folder(job_id))
                if not any(True for _ in self.blobs.keys(tenant, folder(job_id))):
                    self.expiry.gone(kept, tenant, job_id)
                    log.info("courier.expired", job=job_id, kept=kept, blobs=count)
        for tenant, job_id in self.expiry.due(Kept.TRANSCRIPT, self.keep[Kept.TRANSCRIPT]):
            self.jobs.erase(tenant, job_id, by="retention", reason="kept_for_its_time")

    def _disable(self) -> None:
        count = self.outbox.disable_failing(reason=REASON, after=NO_SUCCESS, recent=RECENT)
        if count:
            log.warning("courier.endpoints_disabled", count=count, reason=REASON)

    def _forget(self) -> None:
        now = self.clock()
        self.outbox.forget(now - self.keep_log)
        self.requests.forget(now - KEEP_ANSWERS)
        self.trail.forget(now - KEEP_AUDIT)
