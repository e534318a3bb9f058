"""Computes the service metrics from the database, which already records the work of all services."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, func, select

from shared.domain.job_record import JobStatus
from shared.domain.metrics import RECENT_WINDOW, FinishedStages, QueueMetrics, ServiceMetrics
from shared.domain.stage_plan import STAGES_AFTER_JOB
from shared.domain.webhook import DeliveryStatus
from shared.domain.work import StageStatus
from shared.infra.database.engine import Database
from shared.infra.database.job_rows import worked_on
from shared.infra.database.schema import deliveries, jobs, outbox, stages

ACTIVE_STATUSES = tuple(status for status in JobStatus if status.active)
FINISHED_STATUSES = tuple(status for status in DeliveryStatus if status is not DeliveryStatus.PENDING)


class SqlMetricsSource:
    """Reads metrics with indexed queries over open and recently finished rows; only jobs are counted in total."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> ServiceMetrics:
        now = self._database.now
        with self._database.reading() as connection:
            counted = connection.execute(select(jobs.c.status, func.count()).group_by(jobs.c.status))
            return ServiceMetrics(
                jobs={JobStatus(status): count for status, count in counted},
                queues=_queues(connection, now),
                running_stages=_counts(connection, _running(stages.c.name)),
                finished_stages=_ended(connection, now - RECENT_WINDOW),
                **_done(connection, now - RECENT_WINDOW),
                **_webhooks(connection, now),
            )


def _queues(connection: Connection, now: datetime) -> Mapping[str, QueueMetrics]:
    open_ = (
        select(stages.c.queue, func.count(), func.count(stages.c.enqueued_at), func.min(stages.c.ready_at))
        .join(jobs, jobs.c.id == stages.c.job_id)
        .where(stages.c.status == StageStatus.PENDING, worked_on(*ACTIVE_STATUSES))
        .group_by(stages.c.queue)
    )
    found: dict[str, QueueMetrics] = {}
    for queue, count, sent, since in connection.execute(open_):
        found[queue] = QueueMetrics(waiting=count - sent, sent=sent, oldest_seconds=_age(since, now))
    expired: dict[str, int] = _counts(connection, _running(stages.c.queue).where(stages.c.lease_until <= now))
    for queue, count in _counts(connection, _running(stages.c.queue)).items():
        metrics = found.get(queue, QueueMetrics())
        found[queue] = metrics.model_copy(update={"running": count, "expired_leases": expired.get(queue, 0)})
    return found


def _running(by: Any) -> Select[Any]:
    return (
        select(by, func.count())
        .select_from(stages.join(jobs, jobs.c.id == stages.c.job_id))
        .where(stages.c.status == StageStatus.RUNNING, worked_on(JobStatus.RUNNING))
        .group_by(by)
    )


def _counts(connection: Connection, query: Select[Any]) -> dict[str, int]:
    return {name: count for name, count in connection.execute(query)}  # noqa: C416 - mypy rejects dict() of rows


def _ended(connection: Connection, since: datetime) -> Mapping[tuple[str, StageStatus], FinishedStages]:
    query = (
        select(stages.c.name, stages.c.status, func.count(), func.sum(stages.c.seconds), func.sum(stages.c.attempts))
        .where(stages.c.finished_at > since, stages.c.status.in_((StageStatus.DONE, StageStatus.FAILED)))
        .group_by(stages.c.name, stages.c.status)
    )
    return {
        (name, StageStatus(status)): FinishedStages(count=count, seconds=seconds or 0.0, attempts=attempts)
        for name, status, count, seconds, attempts in connection.execute(query)
    }


def _done(connection: Connection, since: datetime) -> dict[str, Any]:
    done = and_(jobs.c.finished_at > since, jobs.c.status == JobStatus.DONE)
    query = select(jobs.c.recording_seconds, jobs.c.created_at, jobs.c.finished_at).where(done)
    rows = connection.execute(query).all()
    work = (
        select(func.sum(stages.c.seconds))
        .select_from(jobs.join(stages, jobs.c.id == stages.c.job_id))
        # Jobs without a recorded length, from older versions, would distort the ratio of the two sums.
        .where(done, jobs.c.recording_seconds.is_not(None), stages.c.name.not_in(sorted(STAGES_AFTER_JOB)))
    )
    return {
        "jobs_done": len(rows),
        "recording_seconds": sum(row.recording_seconds or 0.0 for row in rows),
        "turnaround_seconds": sum((row.finished_at - row.created_at).total_seconds() for row in rows),
        "work_seconds": connection.execute(work).scalar() or 0.0,
    }


def _webhooks(connection: Connection, now: datetime) -> dict[str, Any]:
    pending = deliveries.c.status == DeliveryStatus.PENDING
    due = select(func.count(), func.min(deliveries.c.next_attempt_at)).where(
        pending, deliveries.c.next_attempt_at <= now
    )
    number, oldest = connection.execute(due).one()
    ended = (
        select(deliveries.c.status, func.count())
        .where(deliveries.c.status.in_(FINISHED_STATUSES), deliveries.c.finished_at > now - RECENT_WINDOW)
        .group_by(deliveries.c.status)
    )
    return {
        "events_pending": connection.execute(
            select(func.count()).select_from(outbox).where(outbox.c.fanned_out_at.is_(None))
        ).scalar_one(),
        "deliveries_due": number,
        "oldest_due_seconds": _age(oldest, now),
        "deliveries_pending": connection.execute(
            select(func.count()).select_from(deliveries).where(pending)
        ).scalar_one(),
        "deliveries_finished": {DeliveryStatus(status): count for status, count in connection.execute(ended)},
    }


def _age(since: datetime | None, now: datetime) -> float:
    """Returns the age in seconds; a time in the future counts as 0."""
    return 0.0 if since is None else max(timedelta(0), now - since).total_seconds()
