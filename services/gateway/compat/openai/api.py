"""OpenAI's API for speech to text as a part of the gateway, as its Python SDK 3.57 calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from services.gateway.compat.api import CompatibleApi, UnsupportedOption
from services.gateway.compat.openai import views
from services.gateway.compat.openai.form import MODELS, TranscriptionForm, UnknownModel, read_form
from services.gateway.compat.synchronous import (
    has_ended,
    read_transcript,
    submit_or_join,
    transcript_when_done,
)
from services.gateway.context import Context
from services.gateway.dependencies import Gateway, TranscriptCaller, UploadCaller
from services.gateway.job_intake import IncomingUpload
from shared.domain.error import AudioTooLong, JobFailed, StateConflict, UndertoneError
from shared.domain.job_request import JobRequest
from shared.infra.web.authenticator import Caller
from shared.infra.web.dialect import Dialect, Failure

NAME = "openai"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
TRANSLATIONS = "/v1/audio/translations"  # its body is not read
KEEP_ALIVE_SECONDS = 15.0
KEEP_ALIVE = ": waiting\n\n"
TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

router = APIRouter(include_in_schema=False)


@router.post(TRANSCRIPTIONS)
async def transcribe(request: Request, gateway: Gateway, caller: UploadCaller, reader: TranscriptCaller) -> Response:
    form, body = TranscriptionForm(), gateway.body_of(request)

    def read(incoming: IncomingUpload) -> JobRequest:
        blocks = incoming.with_heartbeat(body.blocks())
        return read_form(form, incoming, request.headers, blocks, gateway.settings.openai_max_minutes * 60 or None)

    record = await submit_or_join(gateway, caller, request, read)
    if form.streams:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        stream = _stream(gateway, reader, record.id, form)
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
    shown = await transcript_when_done(gateway, reader, request, record.id, NAME)
    if form.response_format in views.TEXT_FORMATS:
        return PlainTextResponse(views.render_text(shown, form.response_format))
    return JSONResponse(views.show(shown, form))


async def _stream(gateway: Context, caller: Caller, job_id: str, form: TranscriptionForm) -> AsyncIterator[str]:
    try:
        with gateway.waiting_requests.acquire(caller.id):
            said = anyio.current_time()
            while not await has_ended(gateway, caller, job_id):
                if anyio.current_time() - said >= KEEP_ALIVE_SECONDS:
                    said = anyio.current_time()
                    yield KEEP_ALIVE
                await anyio.sleep(gateway.settings.events_poll_seconds)
        shown = await anyio.to_thread.run_sync(partial(read_transcript, gateway, caller, job_id, NAME))
    except UndertoneError as error:
        code = error.job_code if isinstance(error, JobFailed) else error.code
        yield views.event(_error(error.message, TYPES[HTTPStatus.BAD_REQUEST], code))
        return
    for event in views.events(shown, form):
        yield event
    yield "data: [DONE]\n\n"


@router.post(TRANSLATIONS)
async def translate(caller: UploadCaller) -> None:
    del caller
    raise UnsupportedOption("Not supported: translations.", hint=f"Use {TRANSCRIPTIONS}.")


@router.get("/v1/models")
def list_models(caller: TranscriptCaller) -> dict[str, Any]:
    del caller
    return {"object": "list", "data": [_model(name) for name in MODELS]}


@router.get("/v1/models/{model}")
def show_model(caller: TranscriptCaller, model: str) -> dict[str, Any]:
    del caller
    if model not in MODELS:
        raise UnknownModel("There is no such model.")
    return _model(model)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "undertone"}


def _write_error(failure: Failure) -> tuple[int, dict[str, Any]]:
    """An invalid request is 400, as the vendor's.

    A failed job is 422 and a full quota 413: the client repeats an upload after 409 and after every 5xx.
    """
    final = {
        HTTPStatus.UNPROCESSABLE_ENTITY: HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONFLICT: HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.INSUFFICIENT_STORAGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    }
    status = HTTPStatus.BAD_REQUEST if failure.code in (StateConflict.code, AudioTooLong.code) else failure.status
    kind = "server_error" if failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR else TYPES[HTTPStatus.BAD_REQUEST]
    return final.get(HTTPStatus(status), status), _error(failure.message, TYPES.get(status, kind), failure.code)


def _error(message: str, kind: str, code: str) -> dict[str, Any]:
    if code == AudioTooLong.code:
        message = f"{message} POST /v1/recordings accepts longer ones."
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


API = CompatibleApi(
    router=router,
    dialects=(Dialect(prefixes=("/v1/audio", "/v1/models"), write_error=_write_error),),
    body_limits={TRANSCRIPTIONS: None, TRANSLATIONS: None},
)
