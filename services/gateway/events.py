"""`GET /v1/jobs/{id}/events`: server-sent events about a job's progress; a reconnecting client resumes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from services.gateway.context import Context
from services.gateway.job_view import JobView, view
from services.gateway.jobs import find_job, require_reader
from shared.infra.web.api_keys import Caller
from shared.infra.web.problems import problem_responses

KEEP_ALIVE_SECONDS = 15.0
# These fields change constantly: they are sent with each event, but a change in them alone sends no event.
_CLOCKS = {"seconds", "seconds_left"}


def routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["jobs"])

    @router.get(
        "/v1/jobs/{job_id}/events",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "`progress` events, then one `end`; the data of both is the job",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            204: {"description": "The `end` event was already sent: no event follows"},
            **problem_responses(404, 422),
        },
        summary="Follow a job",
    )
    async def follow(job_id: str, request: Request) -> Response:
        caller = require_reader(request)
        record = await anyio.to_thread.run_sync(find_job, context, caller.tenant, job_id)
        seen = request.headers.get("last-event-id", "")
        now = view(record, context.clock())
        if not now.status.active and seen == version(now):
            return Response(status_code=204)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        events = _job_events(context, caller, job_id, seen)
        return EventStream(
            context.event_streams.acquire(caller.id), events, media_type="text/event-stream", headers=headers
        )

    return router


async def _job_events(context: Context, caller: Caller, job_id: str, seen: str) -> AsyncIterator[bytes]:
    """Each event contains the whole job, so a client that missed some events lost nothing."""
    sent_at = time.monotonic()
    yield b"retry: 2000\n\n"
    while True:
        record = await anyio.to_thread.run_sync(context.jobs.find, caller.tenant, job_id)
        if record is None:
            yield b"event: gone\ndata: {}\n\n"
            return
        now = view(record, context.clock())
        if (mark := version(now)) != seen:
            seen, sent_at = mark, time.monotonic()
            yield _event(now, mark)
        elif time.monotonic() - sent_at > KEEP_ALIVE_SECONDS:
            sent_at = time.monotonic()
            yield b": still here\n\n"
        if not now.status.active:
            return
        await anyio.sleep(context.settings.events_poll_seconds)


class EventStream(StreamingResponse):
    """Occupies one of the key's stream slots while it is sent."""

    def __init__(self, slot: AbstractContextManager[None], events: AsyncIterator[bytes], **rest: Any) -> None:
        super().__init__(events, **rest)
        self._slot = slot

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        with self._slot:
            await super().__call__(scope, receive, send)


def version(job: JobView) -> str:
    return hashlib.sha256(job.model_dump_json(exclude=_CLOCKS).encode()).hexdigest()[:16]


def _event(job: JobView, mark: str) -> bytes:
    name = "progress" if job.status.active else "end"
    return f"id: {mark}\nevent: {name}\ndata: {job.model_dump_json()}\n\n".encode()
