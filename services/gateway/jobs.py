"""Jobs over HTTP: show, list, rename, erase, retry."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Query, Response
from pydantic import BaseModel, Field

from services.gateway.context import Context
from services.gateway.dependencies import Gateway, JobReader, UploadCaller
from services.gateway.job_view import JobPage, JobView, view
from shared.domain.error import InvalidRequest, NotFound, StateConflict
from shared.domain.job import MAX_NAME
from shared.domain.job_record import JobFilter, JobRecord, JobStatus
from shared.exports.captions import plain
from shared.infra.web.openapi import error_responses

router = APIRouter(tags=["jobs"])


def find_job(context: Context, tenant: str, job_id: str) -> JobRecord:
    """The same error for a missing job and for another tenant's job, so that ids cannot be probed."""
    record = context.jobs.find(tenant, job_id)
    if record is None:
        raise NotFound("There is no such job.")
    return record


@router.get("/v1/jobs/{job_id}", responses=error_responses(NotFound), summary="Show a job")
def show_job(gateway: Gateway, caller: JobReader, job_id: str) -> JobView:
    return view(find_job(gateway, caller.tenant, job_id), gateway.clock())


@router.get("/v1/jobs", summary="List the jobs, newest first")
def list_jobs(
    gateway: Gateway,
    caller: JobReader,
    status: Annotated[list[JobStatus] | None, Query(description="Only these; repeat for several")] = None,
    created_from: datetime | None = None,
    created_before: datetime | None = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobPage:
    if any(at is not None and at.tzinfo is None for at in (created_from, created_before)):
        raise InvalidRequest("A time needs a time zone.", hint="Write 2026-11-02T12:00:00Z.")
    only = JobFilter(statuses=frozenset(status or ()), created_from=created_from, created_before=created_before)
    page = gateway.jobs.list(caller.tenant, only=only, cursor=cursor, limit=limit)
    now = gateway.clock()
    return JobPage(items=tuple(view(record, now) for record in page.items), next_cursor=page.next_cursor)


class JobChanges(BaseModel):
    name: str = Field(min_length=1, max_length=MAX_NAME, description="The new name of the meeting")


@router.patch("/v1/jobs/{job_id}", responses=error_responses(NotFound), summary="Rename a meeting")
def rename_job(gateway: Gateway, caller: UploadCaller, job_id: str, changes: JobChanges) -> JobView:
    """Pages, exports and lists show the new name; the recording's own name stays in `recording`."""
    name = plain(changes.name)
    if not name:
        raise InvalidRequest("The name has no visible characters.")
    record = gateway.jobs.rename(caller.tenant, job_id, name)
    gateway.record_audit(caller, "job.renamed", job_id)
    return view(record, gateway.clock())


@router.delete(
    "/v1/jobs/{job_id}", status_code=204, responses=error_responses(NotFound), summary="Cancel and erase a job"
)
def erase_job(gateway: Gateway, caller: UploadCaller, job_id: str) -> None:
    before = gateway.jobs.find(caller.tenant, job_id)
    gateway.jobs.erase(caller.tenant, job_id, by=caller.id, reason="asked")
    if before is not None:  # a repeated DELETE has the same response, but one audit entry
        gateway.record_audit(caller, "job.erased", job_id, was=before.status)


@router.post(
    "/v1/jobs/{job_id}/retry",
    status_code=202,
    responses=error_responses(NotFound, StateConflict),
    summary="Retry the unfinished stages of a failed job",
)
def retry_job(
    gateway: Gateway, caller: UploadCaller, job_id: str, response: Response, after_response: BackgroundTasks
) -> JobView:
    record = gateway.jobs.retry(caller.tenant, job_id)
    gateway.record_audit(caller, "job.retried", job_id)
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    after_response.add_task(gateway.send_tickets)
    return view(record, gateway.clock())
