"""`POST /v1/recordings`: a recording comes in, as a form, as bare bytes, by address, or as an upload that has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from services.gateway.context import Context
from services.gateway.described import RECORDING_BODIES
from services.gateway.fill import Filler
from services.gateway.job_view import AcceptedView, view
from services.gateway.repeats import Once, beating, once, request_key
from shared.domain.idempotency import RequestKey, StoredAnswer
from shared.domain.tenant import Scope
from shared.infra.intake import Arrival, Submitted, digest_of
from shared.infra.web.api_keys import Caller
from shared.infra.web.body import Body
from shared.infra.web.door import caller_of
from shared.infra.web.problems import answers

ACCEPTED = 202


def routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["recordings"])

    @router.post(
        "/v1/recordings",
        status_code=ACCEPTED,
        response_model=AcceptedView,
        responses=answers(400, 408, 409, 413, 415, 422, 502, 507),
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
        with once(self.context.answers, self.key) as first:
            return self._take(first) if first.stored is None else self._repeat(first)

    def _take(self, first: Once) -> Response:
        intake = self.context.intake
        with intake.receiving(self.caller) as arrival:
            beat = _both(first.renew, lambda: intake.arrivals.renew(arrival.job_id))
            asked, source, taken = self.filler.fill(arrival, beating(self.body.blocks(), beat), beat)
            submitted = arrival.submit(asked)
            fingerprint = digest_of(source, asked.model_dump_json())
            told = self._told(submitted)
            # The secret is told once, and kept only encrypted.
            kept = told.model_copy(update={"callback_secret": None}).model_dump_json().encode()
            first.finish(StoredAnswer(fingerprint=fingerprint, status=ACCEPTED, body=kept), job_id=arrival.job_id)
        taken()
        self.context.meters.queued()
        return _accepted(told.model_dump_json().encode(), arrival)

    def _repeat(self, first: Once) -> Response:
        with self.context.intake.weighing(self.caller) as arrival:
            asked, source, _ = self.filler.fill(arrival, self.body.blocks(), _nothing)
        stored = first.check(digest_of(source, asked.model_dump_json()))
        told = AcceptedView.model_validate_json(stored.body)
        answer = Response(told.model_dump_json(), stored.status, media_type="application/json")
        answer.headers["Location"] = f"/v1/jobs/{told.id}"
        answer.headers["Idempotency-Replayed"] = "true"
        return answer

    def _told(self, submitted: Submitted) -> AcceptedView:
        shown = view(submitted.record, self.context.clock())
        return AcceptedView(**shown.model_dump(), callback_secret=submitted.callback_secret)


def _accepted(body: bytes, arrival: Arrival) -> Response:
    answer = Response(body, ACCEPTED, media_type="application/json")
    answer.headers["Location"] = f"/v1/jobs/{arrival.job_id}"
    return answer


def _both(one: Callable[[], None], other: Callable[[], None]) -> Callable[[], None]:
    def both() -> None:
        one()
        other()

    return both


def _nothing() -> None:
    pass
