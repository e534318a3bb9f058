"""`POST /v1/recordings`: upload a recording as a form or a raw body, or name its URL or a finished tus upload."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from services.gateway.body_parsers import read_submission
from services.gateway.context import Context
from services.gateway.dependencies import Gateway, UploadCaller
from services.gateway.idempotency import RequestKeyHeader, process_once
from services.gateway.job_view import AcceptedView, view
from services.gateway.jobs import find_job
from services.gateway.openapi import RECORDING_BODIES
from shared.domain import error as errors
from shared.domain.idempotency import RequestKey, StoredResponse
from shared.domain.job_record import JobRecord
from shared.infra.web.access_log import start_job_trace
from shared.infra.web.authenticator import Caller
from shared.infra.web.openapi import error_responses
from shared.infra.web.request_body import Body

PATH = "/v1/recordings"
ACCEPTED = 202
REPLAYED = "Idempotency-Replayed"
BODY_ERRORS = (errors.MalformedBody, errors.BodyTimeout, errors.UnsupportedContentType, errors.AddressBlocked)
MEDIA_ERRORS = (errors.UnsupportedMedia, errors.EmptyFile, errors.InvalidTranscript, errors.OutboundFailed)
UPLOAD_ERRORS = (errors.NotFound, errors.StateConflict, errors.UploadExpired, errors.UploadLocked)
OPTION_ERRORS = (errors.ModalityNotAllowed, errors.PurposeProhibited)
REPEAT_ERRORS = (errors.IdempotencyKeyInUse, errors.IdempotencyKeyReused)
STORAGE_ERRORS = (errors.StorageUnavailable, errors.StorageFull, errors.QuotaExceeded)

router = APIRouter(tags=["recordings"])


@router.post(
    PATH,
    status_code=ACCEPTED,
    response_model=AcceptedView,
    responses=error_responses(
        *BODY_ERRORS, *MEDIA_ERRORS, *UPLOAD_ERRORS, *OPTION_ERRORS, *REPEAT_ERRORS, *STORAGE_ERRORS
    ),
    openapi_extra=RECORDING_BODIES,
    summary="Upload a recording",
)
async def add_recording(request: Request, gateway: Gateway, caller: UploadCaller, key: RequestKeyHeader) -> Response:
    body = gateway.body_of(request)
    answer = await gateway.upload(caller, partial(_submit, gateway, request, caller, key, body))
    if REPLAYED not in answer.headers:
        start_job_trace(request, answer.headers["Location"].rpartition("/")[2])
    answer.background = BackgroundTask(gateway.send_tickets)
    return answer


def _submit(gateway: Context, request: Request, caller: Caller, key: RequestKey | None, body: Body) -> Response:
    """Handle an upload in a worker thread, from the first byte to the response."""
    gateway.require_storage()
    # Only a hash of the bytes shows whether this is a repeated request, so they are read first.
    claimed = None if key else body.claimed or 0
    with gateway.intake.receive(caller, claimed) as upload:
        submission = read_submission(gateway, request, body, upload)
        with process_once(gateway.requests, key, submission.fingerprint, job_id=upload.job_id) as first:
            if first.stored is not None:
                return _repeated(first.stored)
            if first.added_job is not None:
                first.response = _stored(gateway, find_job(gateway, caller.tenant, first.added_job))
                return _repeated(first.response)
            submission.fetch()
            first.response = _stored(gateway, upload.submit(submission.options))
    submission.delete_upload()
    gateway.queued_jobs.inc()
    shown = AcceptedView.model_validate_json(first.response.body)
    # The secret is returned once and stored only encrypted.
    accepted = shown.model_copy(update={"callback_secret": upload.callback_secret})
    return _accepted(accepted.model_dump_json().encode(), upload.job_id)


def _stored(gateway: Context, record: JobRecord) -> StoredResponse:
    shown = AcceptedView.model_validate(view(record, gateway.clock()).model_dump())
    return StoredResponse(status=ACCEPTED, body=shown.model_dump_json().encode())


def _accepted(body: bytes, job_id: str) -> Response:
    return Response(body, ACCEPTED, {"Location": f"/v1/jobs/{job_id}"}, "application/json")


def _repeated(stored: StoredResponse) -> Response:
    answer = _accepted(stored.body, AcceptedView.model_validate_json(stored.body).id)
    answer.headers[REPLAYED] = "true"
    return answer
