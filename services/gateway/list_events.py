"""`GET /v1/jobs/events`: one stream of server-sent events about all jobs of a tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from services.gateway.context import Context
from services.gateway.dependencies import Gateway, JobReader
from services.gateway.events import stream_slot, version
from services.gateway.job_view import JobView, view
from shared.domain.job_record import JobFilter, JobStatus
from shared.infra.web.openapi import error_responses

MAX_SECONDS = 600.0  # then the client connects again, and its key is checked again
ACTIVE = JobFilter(statuses=frozenset(status for status in JobStatus if status.active))

router = APIRouter(tags=["jobs"])


class ListedJob(BaseModel):
    id: str
    status: JobStatus


class JobListing(BaseModel):
    items: tuple[ListedJob, ...]


@router.get(
    "/v1/jobs/events",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "`list` at the start and when a job appears, disappears or changes its status: ids and "
            "statuses of the newest jobs; `job` when an active job of them proceeds: the job. It ends after ten minutes"
        },
        **error_responses(),
    },
    dependencies=[Depends(stream_slot)],
    summary="Follow all jobs",
)
async def follow_jobs(
    gateway: Gateway, caller: JobReader, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> AsyncIterator[ServerSentEvent]:
    """A client that reconnects gets the whole list, so it misses nothing."""
    listing: JobListing | None = None
    seen: dict[str, str] = {}
    until = anyio.current_time() + MAX_SECONDS
    while anyio.current_time() < until:
        now, active = await anyio.to_thread.run_sync(_state, gateway, caller.tenant, limit)
        if now != listing:
            listing = now
            yield ServerSentEvent(event="list", data=now)
        for job in active:
            if seen.get(job.id) != (current := version(job)):
                yield ServerSentEvent(event="job", data=job)
            seen[job.id] = current
        await anyio.sleep(gateway.settings.events_poll_seconds)


def _state(gateway: Context, tenant: str, limit: int) -> tuple[JobListing, Sequence[JobView]]:
    """The newest jobs, and the active ones of them."""
    statuses = gateway.jobs.statuses(tenant, limit)
    listing = JobListing(items=tuple(ListedJob(id=job_id, status=status) for job_id, status in statuses.items()))
    if not any(status.active for status in statuses.values()):
        return listing, ()
    found = gateway.jobs.list(tenant, only=ACTIVE, limit=limit).items
    return listing, [view(job, gateway.clock()) for job in found if job.id in statuses]
