"""`GET /v1/jobs/{id}/events`: server-sent events about a job's progress; a reconnecting client resumes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Header, HTTPException, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.gateway.dependencies import Gateway, JobReader
from services.gateway.job_view import JobView, view
from services.gateway.jobs import find_job
from shared.domain.error import NotFound
from shared.infra.web.openapi import error_responses

# These fields change constantly: they are sent with each event, but a change in them alone sends no event.
_CLOCKS = {"seconds", "seconds_left"}

router = APIRouter(tags=["jobs"])


async def last_event(
    gateway: Gateway, caller: JobReader, job_id: str, last_event_id: Annotated[str, Header()] = ""
) -> str:
    """The id of the event that the client received last; the stream ends if no event can follow it."""
    record = await anyio.to_thread.run_sync(find_job, gateway, caller.tenant, job_id)
    now = view(record, gateway.clock())
    if not now.status.active and last_event_id == version(now):
        raise HTTPException(204)  # the one response after which browsers do not reconnect
    return last_event_id


async def stream_slot(gateway: Gateway, caller: JobReader, response: Response) -> AsyncIterator[None]:
    """Occupies one of the key's stream slots until the stream has ended."""
    response.headers["Cache-Control"] = "no-store"
    with gateway.event_streams.acquire(caller.id):
        yield


@router.get(
    "/v1/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"description": "`progress` events, then one `end`; the data of both is the job"},
        204: {"description": "The `end` event was already sent: no event follows"},
        **error_responses(NotFound),
    },
    dependencies=[Depends(stream_slot)],
    summary="Follow a job",
)
async def follow_job(
    gateway: Gateway, caller: JobReader, job_id: str, seen: Annotated[str, Depends(last_event)]
) -> AsyncIterator[ServerSentEvent]:
    """Each event contains the whole job, so a client that missed some events lost nothing."""
    yield ServerSentEvent(retry=2000)
    while True:
        record = await anyio.to_thread.run_sync(gateway.jobs.find, caller.tenant, job_id)
        if record is None:
            yield ServerSentEvent(event="gone", data={})
            return
        now = view(record, gateway.clock())
        if (current := version(now)) != seen:
            seen = current
            yield ServerSentEvent(id=seen, event="progress" if now.status.active else "end", data=now)
        if not now.status.active:
            return
        await anyio.sleep(gateway.settings.events_poll_seconds)


def version(job: JobView) -> str:
    return hashlib.sha256(job.model_dump_json(exclude=_CLOCKS).encode()).hexdigest()[:16]
