"""Deletes the data of erased jobs, data whose retention period has ended, and old audit entries and responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared.domain.job_blobs import artifacts_folder, job_folder, media_folder
from shared.domain.retention import RetentionCategory
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.idempotency import SqlIdempotencyStore
from shared.infra.database.jobs import SqlJobStore
from shared.ports.blobs import BlobStore

log = structlog.get_logger()

RESPONSE_RETENTION = timedelta(days=1)
AUDIT_RETENTION = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Erasure:
    database: Database
    blobs: BlobStore
    periods: Mapping[RetentionCategory, timedelta | None]

    def finish_erasures(self) -> None:
        store = SqlErasureStore(self.database)
        for erasure in store.pending():
            if self._delete(erasure.tenant, job_folder(erasure.id)):
                store.finish(erasure.tenant, erasure.id)
                log.info("dispatcher.job_erased", job=erasure.id)

    def delete_expired(self) -> None:
        """Delete media and artifacts after their periods; after the transcript's, request the job's erasure."""
        store = SqlErasureStore(self.database)
        for category, folder in (
            (RetentionCategory.MEDIA, media_folder),
            (RetentionCategory.ARTIFACTS, artifacts_folder),
        ):
            for tenant, job_id in store.expired(category, self.periods[category]):
                if self._delete(tenant, folder(job_id)):
                    store.mark_deleted(category, tenant, job_id)
                    log.info("dispatcher.data_expired", job=job_id, category=category)
        for tenant, job_id in store.expired(RetentionCategory.TRANSCRIPT, self.periods[RetentionCategory.TRANSCRIPT]):
            SqlJobStore(self.database).erase(tenant, job_id, by="retention", reason="kept_for_its_time")

    def delete_old_rows(self) -> None:
        now = self.database.now
        SqlIdempotencyStore(self.database).delete_before(now - RESPONSE_RETENTION)
        SqlAuditLog(self.database).delete_before(now - AUDIT_RETENTION)

    def purge_deleted(self) -> None:
        """Remove what was deleted from the database's files too; the next run retries while they are in use."""
        if not self.database.purge_deleted():
            log.info("dispatcher.purge_postponed")

    def _delete(self, tenant: str, folder: str) -> bool:
        """Delete the folder; return False if storage could not delete everything, and the next run retries."""
        self.blobs.delete_prefix(tenant, folder)
        return not any(True for _ in self.blobs.keys(tenant, folder))
