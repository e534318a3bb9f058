"""Requests that are answered with the transcript: they wait for their job, and a repeated one joins it."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.to_thread
from fastapi import Request

from services.gateway.callbacks import Callback
from services.gateway.context import Context
from services.gateway.job_intake import IncomingUpload
from services.gateway.jobs import find_job
from shared.domain.error import MalformedBody
from shared.domain.job_record import JobRecord
from shared.domain.job_request import JobRequest
from shared.infra.transcript_reader import VisibleTranscript
from shared.infra.web.access_log import start_job_trace
from shared.infra.web.authenticator import Caller


async def submit_or_join(
    gateway: Context,
    caller: Caller,
    request: Request,
    read: Callable[[IncomingUpload], JobRequest],
    callback: Callback | None = None,
) -> JobRecord:
    """`read` receives the recording, in a thread, and returns the options; a short clip takes the fast queue."""
    claimed = int(request.headers.get("content-length") or 0)

    def receive() -> tuple[JobRecord, bool]:
        gateway.require_storage()
        with gateway.intake.receive(caller, claimed) as incoming:
            options = read(incoming)
            if callback is not None:  # no client waits for the answer
                return incoming.submit(options, callback), True
            record = incoming.submit(options, fast=incoming.is_short_clip(), join=True)
            return record, record.id == incoming.job_id

    record, new = await gateway.upload(caller, receive)
    if new:
        gateway.queued_jobs.inc()
        start_job_trace(request, record.id)
        await anyio.to_thread.run_sync(gateway.send_tickets)
    return record


async def has_ended(gateway: Context, caller: Caller, job_id: str) -> bool:
    record = await anyio.to_thread.run_sync(find_job, gateway, caller.tenant, job_id)
    return not record.status.active


async def transcript_when_done(
    gateway: Context, caller: Caller, request: Request, job_id: str, api: str
) -> VisibleTranscript:
    """Raises the job's error if it failed; a client that is gone frees its place."""
    with gateway.waiting_requests.acquire(caller.id):
        while not await has_ended(gateway, caller, job_id):
            if await request.is_disconnected():
                raise MalformedBody("The client closed the connection before the answer.")
            await anyio.sleep(gateway.settings.events_poll_seconds)
    return await anyio.to_thread.run_sync(read_transcript, gateway, caller, job_id, api)


def read_transcript(gateway: Context, caller: Caller, job_id: str, api: str) -> VisibleTranscript:
    """The transcript with an audit entry that names the API."""
    shown = gateway.transcripts.read(caller, job_id)
    gateway.transcripts.record_audit(caller, "transcript.read", job_id, format=api, emotion=shown.emotion)
    return shown
