"""Deepgram's API for recorded speech as a part of the gateway, as its Python SDK 7.17 calls it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request
from pydantic import Field

from services.gateway.body_parsers import download, read_whole, validate
from services.gateway.compat.api import CompatibleApi
from services.gateway.compat.deepgram.callbacks import callback_to, remember, render_callbacks
from services.gateway.compat.deepgram.options import read_query
from services.gateway.compat.deepgram.views import show
from services.gateway.compat.synchronous import submit_or_join, transcript_when_done
from services.gateway.dependencies import Gateway, TranscriptCaller, UploadCaller
from services.gateway.job_intake import IncomingUpload
from shared.domain.job_request import JobRequest
from shared.domain.value import Value
from shared.infra.web.dialect import Dialect, Failure

NAME = "deepgram"
LISTEN = "/v1/listen"
OTHERS = ("/v1/read", "/v1/speak", "/v1/projects", "/v1/auth")  # there are no such routes; errors have its form

router = APIRouter(include_in_schema=False)


class MediaAddress(Value):
    url: str = Field(min_length=1, max_length=4000, repr=False)


@router.post(LISTEN)
async def listen(request: Request, gateway: Gateway, caller: UploadCaller, reader: TranscriptCaller) -> dict[str, Any]:
    options, warnings = read_query(request.query_params)
    callback = None if options.callback is None else callback_to(options.callback, options.callback_method)
    metadata = {} if callback is None else remember(options, warnings, caller)
    job_request, body = options.job_request(request.headers, request.query_params, metadata), gateway.body_of(request)
    is_json = request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"

    def read(incoming: IncomingUpload) -> JobRequest:
        blocks = incoming.with_heartbeat(body.blocks())
        if is_json:
            address = validate(MediaAddress, read_whole(blocks))
            download(gateway, incoming, incoming.put_recording, address.url, None)
        else:
            incoming.put_recording(None, blocks)
        return job_request

    record = await submit_or_join(gateway, caller, request, read, callback)
    if callback is not None:
        return {"request_id": record.id}
    shown = await transcript_when_done(gateway, reader, request, record.id, NAME)
    return await anyio.to_thread.run_sync(show, record, shown, options, warnings)


def _write_error(failure: Failure) -> tuple[int, dict[str, Any]]:
    """The client repeats an upload after 409 and after every 5xx, so what cannot succeed has another status."""
    final = {HTTPStatus.CONFLICT: 400, HTTPStatus.UNPROCESSABLE_ENTITY: 400, HTTPStatus.INSUFFICIENT_STORAGE: 413}
    error = {"err_code": failure.code.upper(), "err_msg": failure.message, "request_id": failure.request_id}
    return final.get(HTTPStatus(failure.status), failure.status), error


API = CompatibleApi(
    router=router,
    dialects=(Dialect(prefixes=(LISTEN, *OTHERS), write_error=_write_error, key_schemes=("token", "bearer")),),
    body_limits={LISTEN: None},
    background_tasks=(render_callbacks,),
)
