"""Converts rows of jobs and stages to domain objects, and contains the row updates that several stores share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, insert, or_, select, update

from shared.domain.error import NotFound
from shared.domain.governance import Consent
from shared.domain.job import Job
from shared.domain.job_record import ErasureRecord, JobFailure, JobRecord, JobStatus
from shared.domain.retention import Retention
from shared.domain.stage_plan import STAGES_AFTER_JOB
from shared.domain.webhook import WebhookEvent, job_ended_event
from shared.domain.work import StageRow, StageStatus
from shared.infra.database.rows import read_row
from shared.infra.database.schema import jobs, outbox, stages


def read_job(row: RowMapping, stage_rows: Sequence[StageRow]) -> JobRecord:
    return read_row(
        JobRecord,
        row,
        job=Job.model_validate_json(row["request"]),
        stages=tuple(stage_rows),
        metadata=json.loads(row["metadata"] or "{}"),
        consent=Consent.model_validate_json(row["consent"]) if row["consent"] else None,
        retention=Retention.model_validate_json(row["retention"]) if row["retention"] else None,
        error=JobFailure.model_validate_json(row["error"]) if row["error"] else None,
    )


def read_erasure_record(row: RowMapping) -> ErasureRecord:
    return read_row(ErasureRecord, row, reason=row["erased_reason"])


def read_stage(row: RowMapping) -> StageRow:
    return read_row(StageRow, row, needs=tuple(row["needs"].split()))


def stages_of(connection: Connection, job_ids: Sequence[str]) -> dict[str, list[StageRow]]:
    found: dict[str, list[StageRow]] = {job_id: [] for job_id in job_ids}
    query = select(stages).where(stages.c.job_id.in_(job_ids)).order_by(stages.c.position)
    for row in connection.execute(query).mappings():
        found[row["job_id"]].append(read_stage(row))
    return found


def lock_job(connection: Connection, job_id: str, tenant: str | None = None) -> RowMapping | None:
    """Selects the job's row and locks it until the transaction ends; required before changing a job or its stages."""
    query = select(jobs).where(jobs.c.id == job_id).with_for_update()
    if tenant is not None:
        query = query.where(jobs.c.tenant == tenant)
    return connection.execute(query).mappings().one_or_none()


def lock_present_job(connection: Connection, tenant: str, job_id: str) -> RowMapping:
    """Locks the row of the tenant's job; raises NotFound if there is none or the job was erased."""
    row = lock_job(connection, job_id, tenant)
    if row is None or JobStatus(row["status"]).deleted:
        raise NotFound("There is no such job.")
    return row


def load_job(connection: Connection, job_id: str) -> JobRecord:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one()
    return read_job(row, stages_of(connection, [job_id])[job_id])


def ready_now(rows: Sequence[StageRow]) -> tuple[StageRow, ...]:
    """Returns the waiting stages whose dependencies are all done."""
    done = {row.name for row in rows if row.status is StageStatus.DONE}
    return tuple(row for row in rows if row.status is StageStatus.WAITING and set(row.needs) <= done)


def worked_on(*statuses: JobStatus) -> ColumnElement[bool]:
    """True for stages of jobs with these statuses, and for stages that run after their job is done."""
    return or_(
        jobs.c.status.in_(statuses), and_(jobs.c.status == JobStatus.DONE, stages.c.name.in_(sorted(STAGES_AFTER_JOB)))
    )


def set_stage(connection: Connection, job_id: str, name: str, changes: Mapping[str, Any]) -> None:
    connection.execute(update(stages).where(stages.c.job_id == job_id, stages.c.name == name).values(**changes))


def ready(at: datetime) -> dict[str, Any]:
    """Returns the column values of a stage that may be claimed."""
    return {"status": StageStatus.PENDING, "ready_at": at}


FREE: Mapping[str, Any] = {"worker": None, "lease_until": None, "enqueued_at": None, "progress": 0.0}


def end_job(
    connection: Connection, job_id: str, now: datetime, public_url: str, failure: JobFailure | None = None
) -> JobRecord:
    """Sets the job to done or failed and adds its event to the outbox, in the caller's transaction."""
    changes: dict[str, Any] = {"status": JobStatus.FAILED if failure else JobStatus.DONE, "finished_at": now}
    if failure:
        changes["error"] = failure.model_dump_json()
        if failure.stage:
            set_stage(connection, job_id, failure.stage, {**FREE, "status": StageStatus.FAILED, "finished_at": now})
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(**changes))
    record = load_job(connection, job_id)
    put_in_outbox(connection, record.tenant, job_ended_event(record, now, public_url), now, job_id=record.id)
    return record


def fail_stage(connection: Connection, job_id: str, now: datetime, public_url: str, failure: JobFailure) -> JobRecord:
    """Fails the stage and its job; a stage that runs after the job's end fails alone."""
    if failure.stage not in STAGES_AFTER_JOB:
        return end_job(connection, job_id, now, public_url, failure)
    set_stage(connection, job_id, failure.stage, {**FREE, "status": StageStatus.FAILED, "finished_at": now})
    return load_job(connection, job_id)


def put_in_outbox(connection: Connection, tenant: str, event: WebhookEvent, now: datetime, *, job_id: str) -> None:
    connection.execute(
        insert(outbox).values(
            id=uuid4().hex,
            tenant=tenant,
            job_id=job_id,
            event_type=event.event_type,
            body=event.body,
            created_at=now,
        )
    )
