"""`POST /v1/recordings`: a recording comes in, as a form, as bare bytes, by address, or as an upload that has ended."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from services.gateway.context import Context
from services.gateway.described import RECORDING_BODIES
from services.gateway.fill import Filler
from services.gateway.job_view import AcceptedView, view
from services.gateway.repeats import beating, once, request_key
from shared.domain.idempotency import RequestKey, StoredAnswer
from shared.domain.tenant import Scope
from shared.infra.intake import Submitted, digest_of
from shared.infra.web.api_keys import Caller
from shared.infra.web.body import Body
from shared.infra.web.door import caller_of
from shared.infra.web.journal import begins_job
from shared.infra.web.problems import answers

ACCEPTED = 202
REPLAYED = "Idempotency-Replayed"


def routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["recordings"])

    @router.post(
        "/v1/recordings",
        status_code=ACCEPTED,
        response_model=AcceptedView,
        responses=answers(400, 408, 409, 413, 415, 422, 502, 503, 507),
        openapi_extra=RECORDING_BODIES,
        summary="Hand in a recording",
    )
    async def add_recording(request: Request) -> Response:
        caller = caller_of(request)
        caller.need(Scope.RECORDINGS_WRITE)
        key = request_key(request, caller)
        filler = Filler(
            content_type=request.headers.get("content-type", ""),
            query=tuple(request.query_params.multi_items()),
            outbound=context.outbound,
            uploads=context.uploads,
            most_bytes=context.most_bytes,
        )
        body = context.body_of(request)
        answer = await context.upload(caller, Reception(context, caller, key, body, filler).receive)
        if REPLAYED not in answer.headers:
            begins_job(request, answer.headers["Location"].rpartition("/")[2])
        answer.background = BackgroundTask(context.dispatcher.wake)
        return answer

    return router


@dataclass(frozen=True, slots=True)
class Reception:
    """One request from its first byte to its answer, in a worker thread."""

    context: Context
    caller: Caller
    key: RequestKey | None
    body: Body
    filler: Filler

    def receive(self) -> Response:
        self.context.need_storage()
        intake = self.context.intake
        # A repeat of what was taken brings nothing new: whether it is one, its bytes must tell.
        claimed = None if self.key else self.body.claimed or 0
        with intake.receiving(self.caller, claimed) as arrival:
            beat = partial(intake.arrivals.renew, arrival.job_id)
            filled = self.filler.read(arrival, beating(self.body.blocks(), beat), beat)
            fingerprint = digest_of(filled.source, filled.asked.model_dump_json())
            with once(self.context.requests, self.key, fingerprint) as first:
                if first.stored is not None:
                    return _repeated(first.stored)
                filled.fetch()
                told = self._told(arrival.submit(filled.asked))
                # The secret is told once, and kept only encrypted.
                kept = told.model_copy(update={"callback_secret": None}).model_dump_json().encode()
                first.answer, first.job_id = StoredAnswer(status=ACCEPTED, body=kept), arrival.job_id
        filled.taken()
        self.context.meters.queued()
        return _accepted(told.model_dump_json().encode(), arrival.job_id)

    def _told(self, submitted: Submitted) -> AcceptedView:
        shown = view(submitted.record, self.context.clock())
        return AcceptedView(**shown.model_dump(), callback_secret=submitted.callback_secret)


def _accepted(body: bytes, job_id: str) -> Response:
    return Response(body, ACCEPTED, {"Location": f"/v1/jobs/{job_id}"}, "application/json")


def _repeated(stored: StoredAnswer) -> Response:
    answer = _accepted(stored.body, AcceptedView.model_validate_json(stored.body).id)
    answer.headers[REPLAYED] = "true"
    return answer
