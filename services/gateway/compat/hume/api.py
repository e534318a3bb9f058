"""Hume's batch API as a part of the gateway, as its Python SDK 0.13 calls it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Request
from starlette.responses import Response

from services.gateway.compat.api import CompatibleApi
from services.gateway.compat.hume.request import METADATA, Sources, job_request, read_start
from services.gateway.compat.hume.views import Batch, show_details, show_failed, show_predictions, stored
from services.gateway.context import Context
from services.gateway.dependencies import Gateway, TranscriptCaller, UploadCaller
from services.gateway.jobs import find_job
from shared.domain.error import UndertoneError
from shared.domain.job_record import JobFilter, JobRecord, JobStatus, JobTime
from shared.domain.tenant import Scope
from shared.domain.transcript import Transcript
from shared.domain.webhook import PayloadFormat, WebhookEndpoint
from shared.exports.document import render_json
from shared.exports.subtitles import render_vtt
from shared.infra.web.access_log import start_job_trace
from shared.infra.web.authenticator import Caller
from shared.infra.web.dialect import Dialect, Failure
from shared.infra.web.request_body import Body

JOBS = "/v0/batch/jobs"
MAX_TIMESTAMP = 253_402_300_799_000  # milliseconds; the end of the year 9999
SORTS: Mapping[str, JobTime] = {"created": "created_at", "started": "started_at", "ended": "finished_at"}
Status = Literal["QUEUED", "IN_PROGRESS", "COMPLETED", "FAILED"]

router = APIRouter(include_in_schema=False)


@router.post(JOBS)
async def start(
    request: Request, gateway: Gateway, caller: UploadCaller, after_response: BackgroundTasks
) -> dict[str, str]:
    record = await gateway.upload(caller, partial(_submit, gateway, caller, request, gateway.body_of(request)))
    start_job_trace(request, record.id)
    after_response.add_task(gateway.send_tickets)
    return {"job_id": record.id}


def _submit(gateway: Context, caller: Caller, request: Request, body: Body) -> JobRecord:
    """Create a job for each recording; the first one knows the others, and is created last."""
    gateway.require_storage()
    with ExitStack() as stack:
        sources = Sources(lambda: stack.enter_context(gateway.intake.receive(caller, body.claimed or 0)))
        start = read_start(gateway, request, body, sources)
        if start.callback is not None:  # it gets the predictions
            caller.require_scope(Scope.EMOTIONS_READ)
        first, *others = sources.received
        try:
            for one in others:
                one.incoming.submit(job_request(request, start, one.source, first=first.incoming.job_id))
            ids = [one.incoming.job_id for one in others]
            record = first.incoming.submit(job_request(request, start, first.source, others=ids), start.callback)
        except UndertoneError:
            for one in others:
                if one.incoming.record is not None:
                    gateway.jobs.erase(caller.tenant, one.incoming.job_id, by=caller.id, reason="asked")
            raise
    gateway.queued_jobs.inc(len(sources.received))
    return record


@router.get(JOBS)
def list_jobs(
    gateway: Gateway,
    caller: TranscriptCaller,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    status: Annotated[list[Status] | None, Query()] = None,
    when: Literal["created_before", "created_after"] = "created_before",
    timestamp_ms: Annotated[int | None, Query(ge=0, le=MAX_TIMESTAMP)] = None,
    sort_by: Literal["created", "started", "ended"] = "created",
    direction: Literal["asc", "desc"] = "desc",
) -> list[dict[str, Any]]:
    at = None if timestamp_ms is None else datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    only = JobFilter(
        created_before=at if when == "created_before" else None,
        created_from=at if when == "created_after" else None,
    )
    found = gateway.jobs.list_sorted(caller.tenant, only, by=SORTS[sort_by], descending=direction == "desc")
    batches = (_batch_of(gateway, record) for record in found if stored(record).first is None)
    return [
        show_details(batch) for batch in islice((one for one in batches if not status or one.status in status), limit)
    ]


@router.get(JOBS + "/{job_id}")
def show_job(gateway: Gateway, caller: TranscriptCaller, job_id: str) -> dict[str, Any]:
    return show_details(_find_batch(gateway, caller.tenant, job_id))


@router.get(JOBS + "/{job_id}/predictions")
def predictions(gateway: Gateway, caller: TranscriptCaller, job_id: str) -> list[dict[str, Any]]:
    return [shown for shown, _ in _read(gateway, caller, _find_batch(gateway, caller.tenant, job_id))]


@router.get(JOBS + "/{job_id}/artifacts")
def artifacts(gateway: Gateway, caller: TranscriptCaller, job_id: str) -> Response:
    """With several recordings, each has a folder with its number."""
    found = _read(gateway, caller, _find_batch(gateway, caller.tenant, job_id))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("predictions.json", json.dumps([shown for shown, _ in found], ensure_ascii=False))
        for number, (_, transcript) in enumerate(found, 1):
            folder = f"{number}/" if len(found) > 1 else ""
            if transcript is not None:
                archive.writestr(f"{folder}transcript.json", render_json(transcript, emotion=True))
                archive.writestr(f"{folder}transcript.vtt", render_vtt(transcript, emotion=True))
    return Response(content.getvalue(), media_type="application/zip")


def render_callbacks(gateway: Context) -> None:
    """Hand the callbacks of ended batches to the courier; several gateways may do this at once."""
    for endpoint in gateway.endpoints.without_delivery(PayloadFormat.HUME):
        if (shown := _callback(gateway, endpoint)) is not None:
            gateway.deliveries.add(endpoint, json.dumps(shown, ensure_ascii=False).encode())


def _callback(gateway: Context, endpoint: WebhookEndpoint) -> dict[str, Any] | None:
    """None while a job of the batch is active."""
    job_id = endpoint.job_id or ""
    try:
        batch = _find_batch(gateway, endpoint.tenant, job_id)
        if batch.status in ("QUEUED", "IN_PROGRESS"):
            return None
        # The key that asked for it had the scopes.
        scopes = frozenset({Scope.TRANSCRIPTS_READ, Scope.EMOTIONS_READ})
        caller = Caller(tenant=endpoint.tenant, key_id=batch.records[0].key_id, scopes=scopes)
        found = [shown for shown, _ in _read(gateway, caller, batch)]
    except UndertoneError as error:
        return {"job_id": job_id, "status": "FAILED", "message": error.message}
    return {"job_id": job_id, "status": "COMPLETED", "predictions": found}


def _find_batch(gateway: Context, tenant: str, job_id: str) -> Batch:
    return _batch_of(gateway, find_job(gateway, tenant, job_id))


def _batch_of(gateway: Context, record: JobRecord) -> Batch:
    """Jobs that were erased are left out."""
    ids = stored(record).others
    others = gateway.jobs.find_all(record.tenant, ids) if ids else {}
    return Batch([record, *(others[job_id] for job_id in ids if job_id in others)])


def _read(gateway: Context, caller: Caller, batch: Batch) -> list[tuple[dict[str, Any], Transcript | None]]:
    """The predictions of each recording; raises unless all have ended and one has a transcript.

    Everything in these answers is a reading, so the scope is required.
    """
    caller.require_scope(Scope.EMOTIONS_READ)
    found: list[tuple[dict[str, Any], Transcript | None]] = []
    for record in batch.records:
        if batch.status == "COMPLETED" and record.status is not JobStatus.DONE:
            found.append((show_failed(record), None))
            continue
        transcript = gateway.transcripts.read(caller, record.id, emotion=True).transcript
        gateway.transcripts.record_audit(caller, "transcript.read", record.id, format=METADATA, emotion=True)
        found.append((show_predictions(record, transcript), transcript))
    return found


def _write_error(failure: Failure) -> tuple[int, dict[str, Any]]:
    """The client repeats an upload after 409 and after every 5xx, so what cannot succeed has another status."""
    final = {HTTPStatus.CONFLICT: 400, HTTPStatus.UNPROCESSABLE_ENTITY: 400, HTTPStatus.INSUFFICIENT_STORAGE: 413}
    return final.get(HTTPStatus(failure.status), failure.status), {"message": failure.message}


API = CompatibleApi(
    router=router,
    dialects=(Dialect(prefixes=("/v0",), write_error=_write_error, key_header="x-hume-api-key", key_schemes=()),),
    body_limits={JOBS: None},
    background_tasks=(render_callbacks,),
)
