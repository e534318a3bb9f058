"""Jobs over HTTP: show, list, erase, retry."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from services.gateway.context import Context
from services.gateway.job_view import JobPage, JobView, view
from shared.domain.error import InvalidRequest, NotFound
from shared.domain.job_record import JobFilter, JobRecord, JobStatus
from shared.domain.tenant import Scope
from shared.infra.web.api_keys import Caller
from shared.infra.web.auth_middleware import caller_of
from shared.infra.web.problems import problem_responses


def find_job(context: Context, tenant: str, job_id: str) -> JobRecord:
    """The same error for a missing job and for another tenant's job, so that ids cannot be probed."""
    record = context.jobs.find(tenant, job_id)
    if record is None:
        raise NotFound("There is no such job.")
    return record


def require_reader(request: Request) -> Caller:
    """Both scopes may see jobs: writing recordings and reading transcripts."""
    caller = caller_of(request)
    caller.require_scope(Scope.RECORDINGS_WRITE, Scope.TRANSCRIPTS_READ)
    return caller


def routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["jobs"])

    @router.get("/v1/jobs/{job_id}", responses=problem_responses(404, 422), summary="Show a job")
    def look(job_id: str, request: Request) -> JobView:
        caller = require_reader(request)
        return view(find_job(context, caller.tenant, job_id), context.clock())

    @router.get("/v1/jobs", responses=problem_responses(422), summary="List the jobs, newest first")
    def list_jobs(
        request: Request,
        status: Annotated[list[JobStatus] | None, Query(description="Only these; repeat for several")] = None,
        created_from: datetime | None = None,
        created_before: datetime | None = None,
        cursor: Annotated[str | None, Query(max_length=500)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> JobPage:
        caller = require_reader(request)
        if any(at is not None and at.tzinfo is None for at in (created_from, created_before)):
            raise InvalidRequest("A time needs a time zone.", hint="Write 2026-11-02T12:00:00Z.")
        only = JobFilter(statuses=frozenset(status or ()), created_from=created_from, created_before=created_before)
        page = context.jobs.list(caller.tenant, only=only, cursor=cursor, limit=limit)
        now = context.clock()
        return JobPage(items=tuple(view(record, now) for record in page.items), next_cursor=page.next_cursor)

    @router.delete(
        "/v1/jobs/{job_id}",
        status_code=204,
        responses=problem_responses(404, 422),
        summary="Cancel and erase a job",
    )
    def erase(job_id: str, request: Request) -> Response:
        caller = caller_of(request)
        caller.require_scope(Scope.RECORDINGS_WRITE)
        before = context.jobs.find(caller.tenant, job_id)
        context.jobs.erase(caller.tenant, job_id, by=caller.id, reason="asked")
        if before is not None:  # a repeated DELETE has the same response, but one audit entry
            context.record_audit(caller, "job.erased", job_id, was=before.status)
        return Response(status_code=204)

    @router.post(
        "/v1/jobs/{job_id}/retry",
        status_code=202,
        response_model=JobView,
        responses=problem_responses(404, 409, 422),
        summary="Retry the unfinished stages of a failed job",
    )
    def retry(job_id: str, request: Request) -> Response:
        caller = caller_of(request)
        caller.require_scope(Scope.RECORDINGS_WRITE)
        record = context.jobs.retry(caller.tenant, job_id)
        context.record_audit(caller, "job.retried", job_id)
        body = view(record, context.clock()).model_dump_json()
        answer = Response(body, 202, {"Location": f"/v1/jobs/{job_id}"}, "application/json")
        answer.background = BackgroundTask(context.queue_notifier.notify)
        return answer

    return router
