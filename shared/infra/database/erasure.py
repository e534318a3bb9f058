"""Finds data to delete in the database, erased jobs and expired data, and records the deletion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, or_, select, true, update

from shared.domain.job_record import ErasureRecord, JobStatus
from shared.domain.retention import Retention, RetentionCategory, shortest_period
from shared.domain.stage_plan import STAGES_AFTER_JOB
from shared.domain.work import StageStatus
from shared.infra.database.engine import Database
from shared.infra.database.job_rows import lock_job, read_erasure_record
from shared.infra.database.schema import attempts, deliveries, endpoints, idempotency, jobs, outbox, stages, tenants
from shared.infra.database.schema_transcripts import corrections, notes, share_links
from shared.infra.database.search import delete_utterances

FINISHED_STATUSES = (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)
DELETED_AT_COLUMNS = {
    RetentionCategory.MEDIA: jobs.c.media_deleted_at,
    RetentionCategory.ARTIFACTS: jobs.c.artifacts_deleted_at,
}


class SqlErasureStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, *, limit: int = 100) -> tuple[ErasureRecord, ...]:
        """Jobs whose blobs may be erased now because no lease on them is valid any more."""
        leased = exists().where(
            stages.c.job_id == jobs.c.id,
            stages.c.status == StageStatus.RUNNING,
            stages.c.lease_until > self._database.now,
        )
        query = (
            select(jobs).where(jobs.c.status == JobStatus.ERASING, ~leased).order_by(jobs.c.finished_at).limit(limit)
        )
        with self._database.reading() as connection:
            return tuple(read_erasure_record(row) for row in connection.execute(query).mappings())

    def finish(self, tenant: str, job_id: str) -> None:
        """Delete the job from the database after storage has confirmed; the erasure record remains."""
        with self._database.writing() as connection:
            job = lock_job(connection, job_id, tenant)
            if job is None or job["status"] != JobStatus.ERASING:
                return
            own = select(deliveries.c.id).where(deliveries.c.job_id == job_id)
            connection.execute(delete(attempts).where(attempts.c.delivery_id.in_(own)))
            delete_utterances(connection, job_id)
            for table in (deliveries, outbox, endpoints, idempotency, corrections, share_links, notes, stages):
                connection.execute(delete(table).where(table.c.job_id == job_id))
            empty: dict[str, Any] = dict.fromkeys(
                ("request", "metadata", "consent", "retention", "error", "digest", "recording_seconds", "media_bytes")
            )
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(**empty, status=JobStatus.ERASED, erased_at=self._database.now)
            )

    def expired(
        self, category: RetentionCategory, period: timedelta | None, *, limit: int = 100
    ) -> tuple[tuple[str, str], ...]:
        """Tenant and id of jobs whose data of this category has expired, by the shortest period that applies.

        `period` is the deployment's period after the end of the job; None means that only those of the tenant and of
        the job apply.
        """
        now = self._database.now
        # Tenants and jobs may have shorter periods than the deployment, so check each of these periods.
        shorter = or_(jobs.c.retention.is_not(None), tenants.c.retention.is_not(None))
        candidates = shorter if period is None else or_(shorter, jobs.c.finished_at <= now - period)
        query = (
            select(jobs.c.tenant, jobs.c.id, jobs.c.finished_at, jobs.c.retention, tenants.c.retention)
            .join(tenants, tenants.c.id == jobs.c.tenant)
            .where(
                jobs.c.status.in_(FINISHED_STATUSES),
                jobs.c.finished_at.is_not(None),
                candidates,
                _recording_is_unused(category),
            )
        )
        if category in DELETED_AT_COLUMNS:
            query = query.where(DELETED_AT_COLUMNS[category].is_(None))
        found: list[tuple[str, str]] = []
        with self._database.reading() as connection:
            for tenant, job_id, finished_at, *written in connection.execute(query.order_by(jobs.c.finished_at)):
                own = [Retention.model_validate_json(text) for text in written if text]
                shortest = shortest_period(category, period, own)
                if shortest is not None and finished_at <= now - shortest:
                    found.append((tenant, job_id))
                    if len(found) == limit:
                        break
        return tuple(found)

    def is_kept(self, tenant: str, job_id: str, category: RetentionCategory) -> bool:
        """Whether the job has ended and its data of this category are neither deleted nor being deleted."""
        query = select(jobs.c.id).where(
            jobs.c.id == job_id, jobs.c.tenant == tenant, jobs.c.status.in_(FINISHED_STATUSES)
        )
        if category in DELETED_AT_COLUMNS:
            query = query.where(DELETED_AT_COLUMNS[category].is_(None))
        with self._database.reading() as connection:
            return connection.execute(query).scalar() is not None

    def mark_deleted(self, category: RetentionCategory, tenant: str, job_id: str) -> None:
        """Record that storage has deleted the data, so that it is not returned again."""
        with self._database.writing() as connection:
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.tenant == tenant, _recording_is_unused(category))
                .values({DELETED_AT_COLUMNS[category]: self._database.now})
            )


def _recording_is_unused(category: RetentionCategory) -> ColumnElement[bool]:
    """True unless a stage that runs after the job's end still needs the recording."""
    if category is not RetentionCategory.MEDIA:
        return true()
    return ~exists().where(
        stages.c.job_id == jobs.c.id,
        stages.c.name.in_(sorted(STAGES_AFTER_JOB)),
        stages.c.status.in_((StageStatus.PENDING, StageStatus.RUNNING)),
    )
