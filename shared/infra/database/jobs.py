"""Stores jobs in the database for the requests of their tenants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, literal, select, tuple_, update
from sqlalchemy.engine import Connection

from shared.domain.error import MediaDeleted, NotFound, QuotaExceeded, StateConflict
from shared.domain.job import Job
from shared.domain.job_record import ErasureRecord, JobFilter, JobRecord, JobStatus, JobTime, NewJob
from shared.domain.page import Cursor, Page
from shared.domain.stage_plan import CAPTION
from shared.domain.webhook import DeliveryStatus
from shared.domain.work import PlannedStage, StageStatus
from shared.infra.database.engine import Database
from shared.infra.database.job_rows import (
    FREE,
    load_job,
    lock_job,
    lock_present_job,
    read_erasure_record,
    read_job,
    ready,
    ready_now,
    set_stage,
    stages_of,
)
from shared.infra.database.rows import read_page
from shared.infra.database.schema import deliveries, jobs, outbox, stages

DELETED_STATUSES = tuple(status for status in JobStatus if status.deleted)
MAX_PER_PAGE = 200
NOT_FAILED = frozenset({JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.DONE})


class SqlJobStore:
    """A tenant's operations on its jobs; another tenant's job is NotFound, like one that does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        tenant: str,
        new: NewJob,
        *,
        max_stored: int | None = None,
        reserved: int = 0,
        repeated_since: datetime | None = None,
    ) -> JobRecord:
        """Store the job and its stages as queued, in one transaction.

        Raises QuotaExceeded if the tenant's recordings and `reserved` bytes would exceed `max_stored` bytes, also with
        concurrent calls. With `repeated_since`, a job with the same digest that was added since then, and did not
        fail, is returned instead.
        """
        new.check()
        now = self._database.now
        rows = [
            _planned(new.job.id, stage, position, None if stage.needs else now)
            for position, stage in enumerate(new.stages)
        ]
        # Serialised, because two concurrent jobs could otherwise both use the last free bytes, or both be the first.
        alone = max_stored is not None or repeated_since is not None
        writing = self._database.writing_exclusively(f"stored {tenant}") if alone else self._database.writing()
        with writing as connection:
            if repeated_since is not None:
                only = JobFilter(statuses=NOT_FAILED, created_from=repeated_since, digest=new.digest)
                repeated = _filtered(_visible(tenant), only).order_by(jobs.c.created_at.desc()).limit(1)
                if (row := connection.execute(repeated).mappings().one_or_none()) is not None:
                    return load_job(connection, row["id"])
            if max_stored is not None and _stored(connection, tenant) + reserved + new.media_bytes > max_stored:
                raise QuotaExceeded(max_stored)
            connection.execute(
                insert(jobs).values(
                    id=new.job.id,
                    tenant=tenant,
                    status=JobStatus.QUEUED,
                    request=new.job.model_dump_json(),
                    metadata=json.dumps(dict(new.metadata)),
                    consent=new.consent.model_dump_json() if new.consent else None,
                    retention=new.retention.model_dump_json() if new.retention else None,
                    key_id=new.key_id,
                    digest=new.digest,
                    media_bytes=new.media_bytes,
                    created_at=now,
                )
            )
            connection.execute(insert(stages), rows)
            return load_job(connection, new.job.id)

    def stored_bytes(self, tenant: str) -> int:
        """Total bytes of the tenant's recordings and additional files that are not erased yet."""
        with self._database.reading() as connection:
            return _stored(connection, tenant)

    def find(self, tenant: str, job_id: str) -> JobRecord | None:
        return self.find_all(tenant, [job_id]).get(job_id)

    def find_all(self, tenant: str, job_ids: Sequence[str]) -> Mapping[str, JobRecord]:
        """Those of the jobs that exist, by their ids."""
        with self._database.reading() as connection:
            rows = connection.execute(_visible(tenant).where(jobs.c.id.in_(job_ids))).mappings().all()
            by_job = stages_of(connection, [row["id"] for row in rows])
        return {row["id"]: read_job(row, by_job[row["id"]]) for row in rows}

    def list(
        self, tenant: str, *, only: JobFilter | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[JobRecord]:
        """The jobs, newest first."""
        query, limit = _filtered(_visible(tenant), only or JobFilter()), min(limit, MAX_PER_PAGE)
        with self._database.reading() as connection:
            rows, following = read_page(connection, query, jobs.c.created_at, jobs.c.id, cursor=cursor, limit=limit)
            by_job = stages_of(connection, [row["id"] for row in rows])
        return Page(items=tuple(read_job(row, by_job[row["id"]]) for row in rows), next_cursor=following)

    def statuses(self, tenant: str, limit: int) -> Mapping[str, JobStatus]:
        """The status of each of the newest jobs by its id, newest first."""
        query = _visible(tenant).with_only_columns(jobs.c.id, jobs.c.status)
        query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return {job_id: JobStatus(status) for job_id, status in connection.execute(query)}

    def list_newer(self, tenant: str, than: Cursor, only: JobFilter, limit: int) -> Sequence[JobRecord]:
        """The jobs created next after this position, newest first."""
        at, key = jobs.c.created_at, jobs.c.id
        later = tuple_(at, key) > tuple_(literal(than.at, at.type), literal(than.id, key.type))
        query = _filtered(_visible(tenant), only).where(later).order_by(at, key).limit(min(limit, MAX_PER_PAGE))
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
            by_job = stages_of(connection, [row["id"] for row in rows])
        return [read_job(row, by_job[row["id"]]) for row in reversed(rows)]

    def list_sorted(self, tenant: str, only: JobFilter, *, by: JobTime, descending: bool) -> Iterator[JobRecord]:
        """The jobs by one of their times; jobs without this time are last. Read in pages, so stop early."""
        query = _filtered(_visible(tenant), only).order_by(jobs.c[by].is_(None))
        keys = (column.desc() if descending else column.asc() for column in (jobs.c[by], jobs.c.created_at, jobs.c.id))
        query, seen = query.order_by(*keys).limit(MAX_PER_PAGE), 0
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(query.offset(seen)).mappings().all()
                by_job = stages_of(connection, [row["id"] for row in rows])
            yield from (read_job(row, by_job[row["id"]]) for row in rows)
            if len(rows) < MAX_PER_PAGE:
                return
            seen += len(rows)

    def rename(self, tenant: str, job_id: str, name: str) -> JobRecord:
        """Give the meeting another name than its recording's."""
        with self._database.writing() as connection:
            row = lock_present_job(connection, tenant, job_id)
            renamed = Job.model_validate_json(row["request"]).model_copy(update={"name": name})
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(request=renamed.model_dump_json()))
            return load_job(connection, job_id)

    def cancel(self, tenant: str, job_id: str) -> JobRecord:
        """Cancel the job; raises StateConflict if it has already ended."""
        with self._database.writing() as connection:
            row = lock_present_job(connection, tenant, job_id)
            if not JobStatus(row["status"]).active:
                raise StateConflict(f"The job is {row['status']} and cannot be cancelled.")
            change: dict[str, Any] = {"status": JobStatus.CANCELLED, "finished_at": self._database.now}
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**change))
            return load_job(connection, job_id)

    def retry(self, tenant: str, job_id: str) -> JobRecord:
        """Run the unfinished stages of a failed or cancelled job again."""
        with self._database.writing() as connection:
            row = lock_present_job(connection, tenant, job_id)
            if row["status"] not in (JobStatus.FAILED, JobStatus.CANCELLED):
                raise StateConflict(f"The job is {row['status']}; only failed or cancelled jobs can be run again.")
            if row["media_deleted_at"] is not None:
                raise MediaDeleted
            change: dict[str, Any] = {"status": JobStatus.QUEUED, "error": None, "finished_at": None}
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**change))
            again = {**FREE, "status": StageStatus.WAITING, "attempts": 0, "not_before": None, "finished_at": None}
            connection.execute(
                update(stages).where(stages.c.job_id == job_id, stages.c.status != StageStatus.DONE).values(**again)
            )
            for stage in ready_now(stages_of(connection, [job_id])[job_id]):
                set_stage(connection, job_id, stage.name, ready(self._database.now))
            return load_job(connection, job_id)

    def caption(self, tenant: str, job_id: str) -> JobRecord:
        """Request the captioned video of a finished job; idempotent, and retries a failed caption stage."""
        with self._database.writing() as connection:
            row = lock_present_job(connection, tenant, job_id)
            if row["status"] != JobStatus.DONE:
                raise StateConflict(f"The job is {row['status']}; a video requires a job that is done.")
            if row["media_deleted_at"] is not None:
                raise MediaDeleted
            mine = (stages.c.job_id == job_id, stages.c.name == CAPTION.name)
            status = connection.execute(select(stages.c.status).where(*mine)).scalar_one_or_none()
            if status is None:
                last = select(func.max(stages.c.position)).where(stages.c.job_id == job_id)
                position = (connection.execute(last).scalar() or 0) + 1
                connection.execute(insert(stages).values(_planned(job_id, CAPTION, position, self._database.now)))
            elif status == StageStatus.FAILED:
                again = {**FREE, **ready(self._database.now), "attempts": 0, "not_before": None, "finished_at": None}
                connection.execute(update(stages).where(*mine).values(**again))
            return load_job(connection, job_id)

    def erase(self, tenant: str, job_id: str, *, by: str, reason: str) -> ErasureRecord:
        """Hide the job from its tenant immediately; the sweep erases its data later. Idempotent."""
        now = self._database.now
        with self._database.writing() as connection:
            row = lock_job(connection, job_id, tenant)
            if row is None:
                raise NotFound("There is no such job.")
            if not JobStatus(row["status"]).deleted:
                change: dict[str, Any] = {"status": JobStatus.ERASING, "erased_by": by, "erased_reason": reason}
                change["finished_at"] = row["finished_at"] or now
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(**change))
                # Stop all webhooks of the job.
                connection.execute(update(outbox).where(outbox.c.job_id == job_id).values(fanned_out_at=now))
                connection.execute(
                    update(deliveries)
                    .where(deliveries.c.job_id == job_id, deliveries.c.status == DeliveryStatus.PENDING)
                    .values(status=DeliveryStatus.DROPPED, next_attempt_at=None, finished_at=now)
                )
            return _erasure_record(connection, job_id)

    def erasure_record(self, tenant: str, job_id: str) -> ErasureRecord | None:
        query = select(jobs).where(jobs.c.tenant == tenant, jobs.c.id == job_id, jobs.c.status.in_(DELETED_STATUSES))
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else read_erasure_record(row)


def _planned(job_id: str, stage: PlannedStage, position: int, ready_at: datetime | None) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "name": stage.name,
        "position": position,
        "needs": " ".join(stage.needs),
        "queue": stage.queue,
        "status": StageStatus.PENDING if ready_at else StageStatus.WAITING,
        "ready_at": ready_at,
        "attempts": 0,
        "progress": 0.0,
    }


def _visible(tenant: str) -> Select[Any]:
    return select(jobs).where(jobs.c.tenant == tenant, jobs.c.status.not_in(DELETED_STATUSES))


def _filtered(query: Select[Any], only: JobFilter) -> Select[Any]:
    if only.statuses:
        query = query.where(jobs.c.status.in_(only.statuses))
    if only.created_from is not None:
        query = query.where(jobs.c.created_at >= only.created_from)
    if only.created_before is not None:
        query = query.where(jobs.c.created_at < only.created_before)
    if only.digest is not None:
        query = query.where(jobs.c.digest == only.digest)
    return query


def _erasure_record(connection: Connection, job_id: str) -> ErasureRecord:
    return read_erasure_record(connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one())


def _stored(connection: Connection, tenant: str) -> int:
    """Sums the bytes of a tenant's media, without deleted media and erased jobs; jobs being erased still count."""
    kept = (jobs.c.tenant == tenant, jobs.c.media_deleted_at.is_(None), jobs.c.status != JobStatus.ERASED)
    return int(connection.execute(select(func.sum(jobs.c.media_bytes)).where(*kept)).scalar() or 0)
