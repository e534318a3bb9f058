"""Schedules work in the database: fair order between tenants, and sweeps of expired leases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Subquery, and_, exists, func, or_, select, tuple_, update

from shared.domain.job_record import JobStatus, stage_may_run
from shared.domain.work import MAX_ATTEMPTS, StageStatus, SweepResult, Ticket
from shared.infra.database.engine import Database
from shared.infra.database.job_rows import FREE, fail_stage, lock_job, ready, set_stage, worked_on
from shared.infra.database.schema import jobs, stages
from shared.infra.database.work import poisoned

ACTIVE_STATUSES = tuple(status for status in JobStatus if status.active)


class SqlWorkQueue:
    """Queue maintenance for all tenants; every call may run on any process, at any time, and repeatedly."""

    def __init__(self, database: Database, *, public_url: str = "") -> None:
        self._database = database
        self._public_url = public_url

    def any_ready(self, queues: Sequence[str]) -> bool:
        """Whether `next_tickets` could return something if the queue had capacity; a cheap read-only query."""
        ready = exists().where(jobs.c.id == stages.c.job_id, stages.c.queue.in_(queues), _unsent(self._database.now))
        with self._database.reading() as connection:
            return bool(connection.execute(select(ready)).scalar_one())

    def next_tickets(self, queue: str, *, max_waiting: int) -> tuple[Ticket, ...]:
        """The tickets to enqueue up to about `max_waiting` waiting messages, round-robin by tenant, marked as sent."""
        now = self._database.now
        with self._database.writing_exclusively(f"queue {queue}") as connection:
            waiting = connection.execute(
                select(func.count())
                .select_from(stages.join(jobs, jobs.c.id == stages.c.job_id))
                .where(stages.c.queue == queue, stages.c.status == StageStatus.PENDING)
                .where(stages.c.enqueued_at.is_not(None), worked_on(*ACTIVE_STATUSES))
            ).scalar_one()
            chosen = _in_fair_order(connection, queue, now, max_waiting - waiting) if waiting < max_waiting else ()
            return tuple(ticket for ticket in chosen if _mark_sent(connection, ticket, now))

    def sweep(self, *, lost_after: timedelta, waiting: Collection[tuple[str, str]] = ()) -> SweepResult:
        """Free stages with expired leases, fail poisonous jobs, and resend tickets that the queue lost.

        `waiting` are the tickets in the queue, as job and stage.
        """
        now = self._database.now
        with self._database.writing() as connection:
            connection.execute(
                update(stages)
                .where(stages.c.status == StageStatus.PENDING, stages.c.enqueued_at <= now - lost_after)
                .where(tuple_(stages.c.job_id, stages.c.name).not_in(list(waiting)))
                .values(enqueued_at=None)
            )
        expired = (
            select(stages.c.job_id, stages.c.name)
            .join(jobs, jobs.c.id == stages.c.job_id)
            .where(stages.c.status == StageStatus.RUNNING, stages.c.lease_until <= now, worked_on(*ACTIVE_STATUSES))
        )
        with self._database.reading() as connection:
            found = connection.execute(expired).all()
        outcomes = [self._free_lease(job_id, stage) for job_id, stage in found]
        return SweepResult(freed=outcomes.count("freed"), poisoned=outcomes.count("poisoned"))

    def _free_lease(self, job_id: str, stage: str) -> str:
        """Frees one stage in its own transaction, if its lease is still expired after locking the job."""
        with self._database.writing() as connection:
            now = self._database.now
            job = lock_job(connection, job_id)
            row = connection.execute(
                select(stages.c.attempts).where(
                    stages.c.job_id == job_id,
                    stages.c.name == stage,
                    stages.c.status == StageStatus.RUNNING,
                    stages.c.lease_until <= now,
                )
            ).one_or_none()
            if job is None or row is None or not stage_may_run(JobStatus(job["status"]), stage):
                return "alive"
            if row.attempts >= MAX_ATTEMPTS:
                fail_stage(connection, job_id, now, self._public_url, poisoned(stage))
                return "poisoned"
            set_stage(connection, job_id, stage, {**FREE, **ready(now)})
            return "freed"


def _in_fair_order(connection: Connection, queue: str, now: datetime, limit: int) -> Sequence[Ticket]:
    """Chooses each tenant's oldest work, and the least busy tenant first, so that 500 jobs do not delay one."""
    ranked = _ranked(queue, now)
    busy = _in_flight(queue)
    turn = ranked.c.rank + func.coalesce(busy.c.number, 0)
    query = (
        select(ranked.c.job_id, ranked.c.name)
        .select_from(ranked.outerjoin(busy, busy.c.tenant == ranked.c.tenant))
        .order_by(turn, ranked.c.created_at, ranked.c.job_id, ranked.c.position)
        .limit(limit)
    )
    return [Ticket(job_id=job_id, stage=name, queue=queue) for job_id, name in connection.execute(query)]


def _ranked(queue: str, now: datetime) -> Subquery:
    """Ranks the stages that may be sent within each tenant."""
    order = (jobs.c.created_at, jobs.c.id, stages.c.position)
    return (
        select(
            jobs.c.tenant,
            jobs.c.created_at,
            stages.c.job_id,
            stages.c.name,
            stages.c.position,
            func.row_number().over(partition_by=jobs.c.tenant, order_by=order).label("rank"),
        )
        .join(jobs, jobs.c.id == stages.c.job_id)
        .where(stages.c.queue == queue, _unsent(now))
        .subquery()
    )


def _unsent(now: datetime) -> ColumnElement[bool]:
    """True for stages, joined with their jobs, that may be sent."""
    return and_(
        stages.c.status == StageStatus.PENDING,
        stages.c.enqueued_at.is_(None),
        or_(stages.c.not_before.is_(None), stages.c.not_before <= now),
        worked_on(*ACTIVE_STATUSES),
    )


def _in_flight(queue: str) -> Subquery:
    """Counts each tenant's stages that are in the queue or running."""
    sent = and_(stages.c.status == StageStatus.PENDING, stages.c.enqueued_at.is_not(None))
    return (
        select(jobs.c.tenant, func.count().label("number"))
        .select_from(stages.join(jobs, jobs.c.id == stages.c.job_id))
        .where(stages.c.queue == queue, or_(sent, stages.c.status == StageStatus.RUNNING), worked_on(*ACTIVE_STATUSES))
        .group_by(jobs.c.tenant)
        .subquery()
    )


def _mark_sent(connection: Connection, ticket: Ticket, now: datetime) -> bool:
    marked = connection.execute(
        update(stages)
        .where(stages.c.job_id == ticket.job_id, stages.c.name == ticket.stage)
        .where(stages.c.status == StageStatus.PENDING, stages.c.enqueued_at.is_(None))
        .values(enqueued_at=now)
    )
    return marked.rowcount == 1
