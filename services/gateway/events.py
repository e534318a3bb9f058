"""`GET /v1/jobs/{id}/events`: how a job goes on, told as it happens; a broken connection resumes where it stood."""

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
# What moves by itself: it is told along with the rest, but is no news.
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
            204: {"description": "The end was told already: nothing more will come"},
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
        told = _job_events(context, caller, job_id, seen)
        return EventStream(
            context.event_streams.acquire(caller.id), told, media_type="text/event-stream", headers=headers
        )

    return router


async def _job_events(context: Context, caller: Caller, job_id: str, seen: str) -> AsyncIterator[bytes]:
    """Every event is the whole job, so that one who missed some has lost nothing."""
    said = time.monotonic()
    yield b"retry: 2000\n\n"
    while True:
        record = await anyio.to_thread.run_sync(context.jobs.find, caller.tenant, job_id)
        if record is None:
            yield b"event: gone\ndata: {}\n\n"
            return
        now = view(record, context.clock())
        if (mark := version(now)) != seen:
            seen, said = mark, time.monotonic()
            yield _event(now, mark)
        elif time.monotonic() - said > KEEP_ALIVE_SECONDS:
            said = time.monotonic()
            yield b": still here\n\n"
        if not now.status.active:
            return
        await anyio.sleep(context.settings.events_poll_seconds)


class EventStream(StreamingResponse):
    """Holds one of the places for watchers for as long as it is sent."""

    def __init__(self, place: AbstractContextManager[None], told: AsyncIterator[bytes], **rest: Any) -> None:
        super().__init__(told, **rest)
        self._place = place

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


def version(job: JobView) -> str:
    return hashlib.sha256(job.model_dump_json(exclude=_CLOCKS).encode()).hexdigest()[:16]


def _event(job: JobView, mark: str) -> bytes:
    name = "progress" if job.status.active else "end"
    return f"id: {mark}\nevent: {name}\ndata: {job.model_dump_json()}\n\n".encode()
