"""Which jobs' things have been kept for their time, in the database."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, exists, or_, select, true, update

from shared.domain.job_record import JobStatus
from shared.domain.retention import Kept, Retention
from shared.domain.work import AFTERWARDS, StageState
from shared.infra.database.engine import Database
from shared.infra.database.schema import jobs, stages

ENDED = (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)
MARKS = {Kept.MEDIA: jobs.c.media_gone_at, Kept.ARTIFACTS: jobs.c.artifacts_gone_at}


class SqlExpiry:
    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, kept: Kept, keep: timedelta | None, *, limit: int = 100) -> tuple[tuple[str, str], ...]:
        now = self._database.now
        # A job that wishes for less may be due before the deployment's time; which it is, its row says.
        own = jobs.c.retention.is_not(None)
        candidates = own if keep is None else or_(own, jobs.c.finished_at <= now - keep)
        query = select(jobs.c.tenant, jobs.c.id, jobs.c.finished_at, jobs.c.retention).where(
            jobs.c.status.in_(ENDED), jobs.c.finished_at.is_not(None), candidates, _let_go(kept)
        )
        if kept in MARKS:
            query = query.where(MARKS[kept].is_(None))
        found: list[tuple[str, str]] = []
        with self._database.reading() as connection:
            for tenant, job_id, finished_at, wish in connection.execute(query.order_by(jobs.c.finished_at)):
                times = [keep, Retention.model_validate_json(wish).of(kept) if wish else None]
                shortest = min((time for time in times if time is not None), default=None)
                if shortest is not None and finished_at <= now - shortest:
                    found.append((tenant, job_id))
                    if len(found) == limit:
                        break
        return tuple(found)

    def gone(self, kept: Kept, tenant: str, job_id: str) -> None:
        with self._database.writing() as connection:
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.tenant == tenant, _let_go(kept))
                .values({MARKS[kept]: self._database.now})
            )


def _let_go(kept: Kept) -> ColumnElement[bool]:
    """The recording stays while a stage that follows the job's end still works on it, or is about to."""
    if kept is not Kept.MEDIA:
        return true()
    return ~exists().where(
        stages.c.job_id == jobs.c.id,
        stages.c.name.in_(sorted(AFTERWARDS)),
        stages.c.state.in_((StageState.PENDING, StageState.RUNNING)),
    )
