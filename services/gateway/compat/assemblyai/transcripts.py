"""Upload, submit, poll, list and delete, as AssemblyAI's Python SDK 1.8 calls them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, BackgroundTasks, Query, Request

from services.gateway.body_parsers import download
from services.gateway.compat.api import check_options, read_options
from services.gateway.compat.assemblyai import views
from services.gateway.compat.assemblyai.request import NAMES, TranscriptRequest
from services.gateway.compat.synchronous import read_transcript
from services.gateway.context import Context
from services.gateway.dependencies import Gateway, TranscriptCaller, UploadCaller
from services.gateway.job_intake import IncomingUpload
from services.gateway.jobs import erase_job, find_job
from shared.domain.error import InsufficientScope, NotFound
from shared.domain.job_record import JobFilter, JobRecord, JobStatus
from shared.domain.job_request import JobRequest
from shared.domain.page import Cursor
from shared.infra.web.access_log import start_job_trace
from shared.infra.web.authenticator import Caller

UPLOAD = "/v2/upload"
TRANSCRIPTS = "/v2/transcript"
OWN_UPLOAD = re.compile(rf"{UPLOAD}/([0-9a-f]{{32}})$")
Limit = Annotated[int, Query(ge=1, le=200)]

router = APIRouter(include_in_schema=False)


@router.post(UPLOAD)
async def upload(request: Request, gateway: Gateway, caller: UploadCaller) -> dict[str, str]:
    body = gateway.body_of(request)
    expires_at = gateway.clock() + timedelta(hours=gateway.settings.upload_hours)

    def receive() -> str:
        gateway.intake.bytes_left(caller.tenant, body.claimed or 0)
        return gateway.uploads.receive(caller.tenant, body.blocks(), gateway.max_bytes, expires_at).id

    upload_id = await gateway.upload(caller, receive)
    return {"upload_url": f"{base_of(request)}{UPLOAD}/{upload_id}"}


@router.post(TRANSCRIPTS)
async def submit(
    request: Request, gateway: Gateway, caller: UploadCaller, wanted: TranscriptRequest, after_response: BackgroundTasks
) -> dict[str, Any]:
    warnings = wanted.warnings()
    metadata = {views.METADATA: wanted.echo(warnings)}
    options = read_options(request.headers, {**wanted.options(), "metadata": metadata}, names=NAMES)
    record = await gateway.upload(caller, partial(_submit, gateway, caller, wanted, options))
    start_job_trace(request, record.id)
    after_response.add_task(gateway.send_tickets)
    return views.show_unfinished(record, base_of(request))


def _submit(gateway: Context, caller: Caller, wanted: TranscriptRequest, options: JobRequest) -> JobRecord:
    callback = wanted.callback()
    gateway.require_storage()
    with gateway.intake.receive(caller, 0) as incoming:
        _receive(gateway, incoming, wanted.audio_url)
        record = incoming.submit(options, callback)
    gateway.queued_jobs.inc()
    return record


def _receive(gateway: Context, incoming: IncomingUpload, url: str) -> None:
    if not (own := OWN_UPLOAD.search(urlsplit(url).path)):
        download(gateway, incoming, incoming.put_recording, url, None)
        return
    try:
        with gateway.uploads.reading(incoming.caller.tenant, own[1]) as (_, blocks):
            incoming.put_recording(None, incoming.with_heartbeat(blocks))
    except NotFound:
        raise InsufficientScope("Cannot access uploaded file") from None


@router.get(TRANSCRIPTS)
def list_transcripts(
    request: Request,
    gateway: Gateway,
    caller: TranscriptCaller,
    limit: Limit = 10,
    status: Literal["queued", "processing", "completed", "error"] | None = None,
    created_on: date | None = None,
    before_id: str | None = None,
    after_id: str | None = None,
    throttled_only: bool = False,
) -> dict[str, Any]:
    check_options({"throttled_only": throttled_only}, supported=(), ignored=())
    day = datetime.combine(created_on, time(), UTC) if created_on else None
    only = JobFilter(
        statuses=frozenset(ours for ours, theirs in views.STATUSES.items() if theirs == status),
        created_from=day,
        created_before=day + timedelta(days=1) if day else None,
    )
    list_jobs = partial(gateway.jobs.list, caller.tenant, only=only)
    if after_id is not None:
        items = tuple(gateway.jobs.list_newer(caller.tenant, _position(gateway, caller, after_id), only, limit))
    else:
        cursor = str(_position(gateway, caller, before_id)) if before_id is not None else None
        items = list_jobs(cursor=cursor, limit=limit).items
    newest, oldest = (Cursor(at=one.created_at, id=one.id) for one in (items[0], items[-1])) if items else (None, None)
    older = oldest is not None and bool(list_jobs(cursor=str(oldest), limit=1).items)
    newer = newest is not None and bool(gateway.jobs.list_newer(caller.tenant, newest, only, 1))
    base, same = base_of(request), {"limit": limit, "status": status, "created_on": created_on}

    def url(**more: str) -> str:
        query = {name: value for name, value in {**same, **more}.items() if value is not None}
        return f"{base}{TRANSCRIPTS}?{urlencode(query)}"

    return {
        "page_details": {
            "limit": limit,
            "result_count": len(items),
            "current_url": str(request.url),
            "prev_url": url(before_id=items[-1].id) if older else None,
            "next_url": url(after_id=items[0].id) if newer else None,
        },
        "transcripts": [views.show_in_list(record, base) for record in items],
    }


def _position(gateway: Context, caller: Caller, job_id: str) -> Cursor:
    """The position of a job in the list; an erased job keeps its own."""
    found = gateway.jobs.erasure_record(caller.tenant, job_id) or find_job(gateway, caller.tenant, job_id)
    return Cursor(at=found.created_at, id=found.id)


@router.get(TRANSCRIPTS + "/{job_id}")
def show(request: Request, gateway: Gateway, caller: TranscriptCaller, job_id: str) -> dict[str, Any]:
    if gateway.jobs.erasure_record(caller.tenant, job_id) is not None:
        return views.show_deleted(job_id)
    record = find_job(gateway, caller.tenant, job_id)
    if record.status is not JobStatus.DONE:
        return views.show_unfinished(record, base_of(request))
    webhook = gateway.deliveries.callback_status(caller.tenant, job_id)
    return views.show_transcript(
        record, read_transcript(gateway, caller, job_id, views.METADATA), base_of(request), webhook
    )


@router.delete(TRANSCRIPTS + "/{job_id}")
def delete(gateway: Gateway, caller: UploadCaller, job_id: str) -> dict[str, Any]:
    record = gateway.jobs.find(caller.tenant, job_id)
    erase_job(gateway, caller, job_id)
    if record and (own := OWN_UPLOAD.search(views.audio_url(record, ""))):
        with suppress(NotFound):
            gateway.uploads.delete(caller.tenant, own[1])
    return views.show_deleted(job_id)


def base_of(request: Request) -> str:
    return str(request.base_url).rstrip("/")
