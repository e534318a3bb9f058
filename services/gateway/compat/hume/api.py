"""Hume's batch API as a part of the gateway, as its Python SDK 0.13 calls it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Request
from starlette.responses import Response

from services.gateway.compat.api import CompatibleApi
from services.gateway.compat.hume.request import METADATA, read_start
from services.gateway.compat.hume.views import STATUSES, show_details, show_predictions
from services.gateway.context import Context
from services.gateway.dependencies import Gateway, TranscriptCaller, UploadCaller
from services.gateway.jobs import find_job
from shared.domain.error import UndertoneError
from shared.domain.job_record import JobFilter, JobRecord, JobTime
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
    gateway.require_storage()
    with gateway.intake.receive(caller, body.claimed or 0) as incoming:
        options, callback = read_start(gateway, request, body, incoming)
        record = incoming.submit(options, callback)
    gateway.queued_jobs.inc()
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
        statuses=frozenset(ours for ours, theirs in STATUSES.items() if theirs in (status or ())),
        created_before=at if when == "created_before" else None,
        created_from=at if when == "created_after" else None,
    )
    found = gateway.jobs.list_sorted(caller.tenant, only, limit, by=SORTS[sort_by], descending=direction == "desc")
    return [show_details(record) for record in found]


@router.get(JOBS + "/{job_id}")
def show_job(gateway: Gateway, caller: TranscriptCaller, job_id: str) -> dict[str, Any]:
    return show_details(find_job(gateway, caller.tenant, job_id))


@router.get(JOBS + "/{job_id}/predictions")
def predictions(gateway: Gateway, caller: TranscriptCaller, job_id: str) -> list[dict[str, Any]]:
    return show_predictions(find_job(gateway, caller.tenant, job_id), _read(gateway, caller, job_id))


@router.get(JOBS + "/{job_id}/artifacts")
def artifacts(gateway: Gateway, caller: TranscriptCaller, job_id: str) -> Response:
    record, transcript = find_job(gateway, caller.tenant, job_id), _read(gateway, caller, job_id)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("predictions.json", json.dumps(show_predictions(record, transcript), ensure_ascii=False))
        archive.writestr("transcript.json", render_json(transcript, emotion=True))
        archive.writestr("transcript.vtt", render_vtt(transcript, emotion=True))
    return Response(content.getvalue(), media_type="application/zip")


def render_callbacks(gateway: Context) -> None:
    """Hand the callbacks of ended jobs to the courier; several gateways may do this at once."""
    for endpoint in gateway.endpoints.without_delivery(PayloadFormat.HUME):
        gateway.deliveries.add(endpoint, json.dumps(_callback(gateway, endpoint), ensure_ascii=False).encode())


def _callback(gateway: Context, endpoint: WebhookEndpoint) -> dict[str, Any]:
    job_id = endpoint.job_id or ""
    try:
        record = find_job(gateway, endpoint.tenant, job_id)
        # The key that asked for it had the scopes.
        scopes = frozenset({Scope.TRANSCRIPTS_READ, Scope.EMOTIONS_READ})
        caller = Caller(tenant=endpoint.tenant, key_id=record.key_id, scopes=scopes)
        found = show_predictions(record, _read(gateway, caller, job_id))
    except UndertoneError as error:
        return {"job_id": job_id, "status": "FAILED", "message": error.message}
    return {"job_id": job_id, "status": "COMPLETED", "predictions": found}


def _read(gateway: Context, caller: Caller, job_id: str) -> Transcript:
    """Everything in these answers is a reading, so the scope is required."""
    caller.require_scope(Scope.EMOTIONS_READ)
    shown = gateway.transcripts.read(caller, job_id, emotion=True)
    gateway.transcripts.record_audit(caller, "transcript.read", job_id, format=METADATA, emotion=True)
    return shown.transcript


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
