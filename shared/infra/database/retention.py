"""Finds jobs whose retention periods have expired, in the database."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, exists, or_, select, true, update

from shared.domain.job_record import JobStatus
from shared.domain.retention import Retention, RetentionCategory
from shared.domain.stage_plan import STAGES_AFTER_JOB
from shared.domain.work import StageStatus
from shared.infra.database.engine import Database
from shared.infra.database.schema import jobs, stages

FINISHED_STATUSES = (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)
DELETED_AT_COLUMNS = {
    RetentionCategory.MEDIA: jobs.c.media_deleted_at,
    RetentionCategory.ARTIFACTS: jobs.c.artifacts_deleted_at,
}


class SqlRetentionStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def expired(
        self, category: RetentionCategory, period: timedelta | None, *, limit: int = 100
    ) -> tuple[tuple[str, str], ...]:
        now = self._database.now
        # A job may request a shorter period than the deployment's, so check each such job's own period.
        own = jobs.c.retention.is_not(None)
        candidates = own if period is None else or_(own, jobs.c.finished_at <= now - period)
        query = select(jobs.c.tenant, jobs.c.id, jobs.c.finished_at, jobs.c.retention).where(
            jobs.c.status.in_(FINISHED_STATUSES),
            jobs.c.finished_at.is_not(None),
            candidates,
            _recording_is_unused(category),
        )
        if category in DELETED_AT_COLUMNS:
            query = query.where(DELETED_AT_COLUMNS[category].is_(None))
        found: list[tuple[str, str]] = []
        with self._database.reading() as connection:
            for tenant, job_id, finished_at, retention in connection.execute(query.order_by(jobs.c.finished_at)):
                requested = Retention.model_validate_json(retention).period_of(category) if retention else None
                shortest = min((time for time in (period, requested) if time is not None), default=None)
                if shortest is not None and finished_at <= now - shortest:
                    found.append((tenant, job_id))
                    if len(found) == limit:
                        break
        return tuple(found)

    def mark_deleted(self, category: RetentionCategory, tenant: str, job_id: str) -> None:
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
