"""`POST /v1/recordings`: upload a recording as a form or a raw body, or name its URL or a finished tus upload."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from services.gateway.body_parsers import BodyParser
from services.gateway.context import Context
from services.gateway.idempotency import process_once, request_key, with_heartbeat
from services.gateway.job_intake import SubmittedJob, digest_of
from services.gateway.job_view import AcceptedView, view
from services.gateway.openapi import RECORDING_BODIES
from shared.domain.idempotency import RequestKey, StoredResponse
from shared.domain.tenant import Scope
from shared.infra.web.access_log import start_job_trace
from shared.infra.web.api_keys import Caller
from shared.infra.web.auth_middleware import caller_of
from shared.infra.web.problems import problem_responses
from shared.infra.web.request_body import Body

ACCEPTED = 202
REPLAYED = "Idempotency-Replayed"


def routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["recordings"])

    @router.post(
        "/v1/recordings",
        status_code=ACCEPTED,
        response_model=AcceptedView,
        responses=problem_responses(400, 408, 409, 413, 415, 422, 502, 503, 507),
        openapi_extra=RECORDING_BODIES,
        summary="Upload a recording",
    )
    async def add_recording(request: Request) -> Response:
        caller = caller_of(request)
        caller.require_scope(Scope.RECORDINGS_WRITE)
        key = request_key(request, caller)
        parser = BodyParser(
            content_type=request.headers.get("content-type", ""),
            query=tuple(request.query_params.multi_items()),
            outbound=context.outbound,
            uploads=context.uploads,
            max_bytes=context.max_bytes,
        )
        body = context.body_of(request)
        answer = await context.upload(caller, UploadHandler(context, caller, key, body, parser).handle)
        if REPLAYED not in answer.headers:
            start_job_trace(request, answer.headers["Location"].rpartition("/")[2])
        answer.background = BackgroundTask(context.queue_notifier.notify)
        return answer

    return router


@dataclass(frozen=True, slots=True)
class UploadHandler:
    """Handles one upload request in a worker thread, from the first byte to the response."""

    context: Context
    caller: Caller
    key: RequestKey | None
    body: Body
    parser: BodyParser

    def handle(self) -> Response:
        self.context.require_storage()
        intake = self.context.intake
        # Only a hash of the bytes shows whether this is a repeated request, so they are read first.
        claimed = None if self.key else self.body.claimed or 0
        with intake.receive(self.caller, claimed) as upload:
            heartbeat = partial(intake.incoming_uploads.heartbeat, upload.job_id)
            submission = self.parser.read(upload, with_heartbeat(self.body.blocks(), heartbeat), heartbeat)
            fingerprint = digest_of(submission.source, submission.request.model_dump_json())
            with process_once(self.context.requests, self.key, fingerprint) as first:
                if first.stored is not None:
                    return _repeated(first.stored)
                submission.fetch()
                accepted = self._accepted_view(upload.submit(submission.request))
                # The secret is returned once and stored only encrypted.
                body = accepted.model_copy(update={"callback_secret": None}).model_dump_json().encode()
                first.response, first.job_id = StoredResponse(status=ACCEPTED, body=body), upload.job_id
        submission.delete_upload()
        self.context.metrics.count_job()
        return _accepted(accepted.model_dump_json().encode(), upload.job_id)

    def _accepted_view(self, submitted: SubmittedJob) -> AcceptedView:
        shown = view(submitted.record, self.context.clock())
        return AcceptedView(**shown.model_dump(), callback_secret=submitted.callback_secret)


def _accepted(body: bytes, job_id: str) -> Response:
    return Response(body, ACCEPTED, {"Location": f"/v1/jobs/{job_id}"}, "application/json")


def _repeated(stored: StoredResponse) -> Response:
    answer = _accepted(stored.body, AcceptedView.model_validate_json(stored.body).id)
    answer.headers[REPLAYED] = "true"
    return answer
