"""Resumable uploads with tus 1.0: received bytes survive a broken connection until the upload expires."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from services.gateway.context import Context
from services.gateway.openapi import TUS_APPEND, TUS_CREATE
from services.gateway.tus_headers import (
    CONTENT_TYPE,
    EXTENSIONS,
    PREFIX,
    VERSION,
    BadHeader,
    http_date,
    number,
    read_metadata,
)
from shared.domain.error import UnsupportedContentType, UploadTooLarge
from shared.domain.tenant import Scope
from shared.domain.upload import Upload
from shared.infra.web.api_keys import Caller
from shared.infra.web.auth_middleware import caller_of
from shared.infra.web.problems import problem_responses


def routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["uploads"])
    patience = timedelta(hours=context.settings.upload_hours)

    @router.options(PREFIX, status_code=204, summary="The supported tus version and extensions")
    @router.options(PREFIX + "/{upload_id}", status_code=204, include_in_schema=False)
    async def tell(request: Request) -> Response:
        del request
        headers = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(context.max_bytes)}
        return Response(status_code=204, headers=headers)

    @router.post(
        PREFIX,
        status_code=201,
        responses=problem_responses(400, 412, 413, 415, 422, 503, 507),
        openapi_extra=TUS_CREATE,
        summary="Create an upload",
    )
    async def create(request: Request) -> Response:
        caller = _writer(request)
        if "upload-defer-length" in request.headers:
            raise BadHeader("The length of an upload must be known when it is created.", hint="Send Upload-Length.")
        length = number(request.headers, "upload-length")
        if length > context.max_bytes:
            raise UploadTooLarge(f"The upload is larger than the limit of {context.max_bytes} bytes.")
        metadata = request.headers.get("upload-metadata", "")
        read_metadata(metadata)
        with_content = request.headers.get("content-type", "").partition(";")[0].strip() == CONTENT_TYPE
        await anyio.to_thread.run_sync(context.intake.bytes_left, caller.tenant, length)
        made = partial(context.uploads.create, caller.tenant, length, metadata, context.clock() + patience)
        upload = await anyio.to_thread.run_sync(made)
        if with_content:
            upload = await _append(request, caller, upload.id, 0)
        answer = Response(status_code=201, headers=_offset_headers(upload))
        answer.headers["Location"] = f"{PREFIX}/{upload.id}"
        return answer

    @router.head(
        PREFIX + "/{upload_id}", responses=problem_responses(404, 410, 412, 503), summary="Show the offset of an upload"
    )
    def look(upload_id: str, request: Request) -> Response:
        upload = context.uploads.find(_writer(request).tenant, upload_id)
        headers = _offset_headers(upload) | {"Upload-Length": str(upload.length), "Cache-Control": "no-store"}
        if upload.metadata:
            headers["Upload-Metadata"] = upload.metadata
        return Response(status_code=200, headers=headers)

    @router.patch(
        PREFIX + "/{upload_id}",
        status_code=204,
        responses=problem_responses(400, 404, 408, 409, 410, 412, 413, 415, 423, 503, 507),
        openapi_extra=TUS_APPEND,
        summary="Append bytes to an upload",
    )
    async def append(upload_id: str, request: Request) -> Response:
        caller = _writer(request)
        if request.headers.get("content-type", "").partition(";")[0].strip() != CONTENT_TYPE:
            raise UnsupportedContentType(f"The Content-Type of upload data must be {CONTENT_TYPE}.")
        upload = await _append(request, caller, upload_id, number(request.headers, "upload-offset"))
        return Response(status_code=204, headers=_offset_headers(upload))

    async def _append(request: Request, caller: Caller, upload_id: str, offset: int) -> Upload:
        body = context.body_of(request)
        until = context.clock() + patience

        def work() -> Upload:
            return context.uploads.append(caller.tenant, upload_id, offset, body.blocks(), until)

        return await context.upload(caller, work)

    @router.delete(
        PREFIX + "/{upload_id}",
        status_code=204,
        responses=problem_responses(404, 410, 412, 503),
        summary="Delete an upload",
    )
    def delete(upload_id: str, request: Request) -> Response:
        context.uploads.delete(_writer(request).tenant, upload_id)
        return Response(status_code=204)

    return router


def _writer(request: Request) -> Caller:
    caller = caller_of(request)
    caller.require_scope(Scope.RECORDINGS_WRITE)
    return caller


def _offset_headers(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": http_date(upload.expires_at)}
