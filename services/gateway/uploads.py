"""Resumable uploads with tus 1.0: received bytes survive a broken connection until the upload expires."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from services.gateway.context import Context
from services.gateway.dependencies import Gateway, UploadCaller
from services.gateway.openapi import (
    TUS_APPEND,
    TUS_APPENDED,
    TUS_CREATE,
    TUS_CREATED,
    TUS_DELETED,
    TUS_FIND,
    TUS_PROTOCOL,
    TUS_SHOWN,
)
from services.gateway.tus_headers import (
    CONTENT_TYPE,
    EXTENSIONS,
    PREFIX,
    VERSION,
    BadHeader,
    content_type_of,
    http_date,
    number,
    read_metadata,
)
from shared.domain import error as errors
from shared.domain.error import UnsupportedContentType, UploadTooLarge
from shared.domain.upload import Upload
from shared.infra.web.authenticator import Caller
from shared.infra.web.openapi import error_responses

FIND_ERRORS = (errors.NotFound, errors.UploadExpired, errors.UnsupportedProtocolVersion, errors.StorageUnavailable)
BODY_ERRORS = (BadHeader, errors.MalformedBody, errors.BodyTimeout, UnsupportedContentType, errors.StorageFull)

router = APIRouter(tags=["uploads"])


@router.options(
    PREFIX,
    status_code=204,
    responses={**TUS_PROTOCOL},
    response_class=Response,
    summary="The supported tus version and extensions",
)
@router.options(PREFIX + "/{upload_id}", status_code=204, include_in_schema=False)
async def show_protocol(gateway: Gateway) -> Response:
    headers = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(gateway.max_bytes)}
    return Response(status_code=204, headers=headers)


@router.post(
    PREFIX,
    status_code=201,
    response_class=Response,
    responses={**TUS_CREATED, **error_responses(*FIND_ERRORS, *BODY_ERRORS, errors.QuotaExceeded)},
    openapi_extra=TUS_CREATE,
    summary="Create an upload",
)
async def create_upload(request: Request, gateway: Gateway, caller: UploadCaller) -> Response:
    if "upload-defer-length" in request.headers:
        raise BadHeader("The length of an upload must be known when it is created.", hint="Send Upload-Length.")
    length = number(request.headers, "upload-length")
    if length > gateway.max_bytes:
        raise UploadTooLarge(f"The upload is larger than the limit of {gateway.max_bytes} bytes.")
    metadata = request.headers.get("upload-metadata", "")
    read_metadata(metadata)
    upload = await anyio.to_thread.run_sync(_create, gateway, caller.tenant, length, metadata)
    if content_type_of(request.headers) == CONTENT_TYPE:
        upload = await _append(gateway, request, caller, upload.id, 0)
    return Response(status_code=201, headers=_offset_headers(upload) | {"Location": f"{PREFIX}/{upload.id}"})


def _create(gateway: Context, tenant: str, length: int, metadata: str) -> Upload:
    with gateway.uploads.reserving(tenant):
        gateway.intake.bytes_left(tenant, length)
        return gateway.uploads.create(tenant, length, metadata, _expiry(gateway))


@router.head(
    PREFIX + "/{upload_id}",
    response_class=Response,
    responses={**TUS_SHOWN, **error_responses(*FIND_ERRORS)},
    openapi_extra=TUS_FIND,
    summary="Show the offset of an upload",
)
def show_upload(gateway: Gateway, caller: UploadCaller, upload_id: str) -> Response:
    upload = gateway.uploads.find(caller.tenant, upload_id)
    headers = _offset_headers(upload) | {"Upload-Length": str(upload.length)}
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    return Response(status_code=200, headers=headers)


@router.patch(
    PREFIX + "/{upload_id}",
    status_code=204,
    responses={
        **TUS_APPENDED,
        **error_responses(*FIND_ERRORS, *BODY_ERRORS, errors.StateConflict, errors.UploadLocked),
    },
    openapi_extra=TUS_APPEND,
    summary="Append bytes to an upload",
)
async def append_to_upload(request: Request, gateway: Gateway, caller: UploadCaller, upload_id: str) -> Response:
    if content_type_of(request.headers) != CONTENT_TYPE:
        raise UnsupportedContentType(f"The Content-Type of upload data must be {CONTENT_TYPE}.")
    upload = await _append(gateway, request, caller, upload_id, number(request.headers, "upload-offset"))
    return Response(status_code=204, headers=_offset_headers(upload))


async def _append(gateway: Context, request: Request, caller: Caller, upload_id: str, offset: int) -> Upload:
    blocks, until = gateway.body_of(request).blocks(), _expiry(gateway)
    return await gateway.upload(
        caller, partial(gateway.uploads.append, caller.tenant, upload_id, offset, blocks, until)
    )


@router.delete(
    PREFIX + "/{upload_id}",
    status_code=204,
    responses={**TUS_DELETED, **error_responses(*FIND_ERRORS)},
    openapi_extra=TUS_FIND,
    summary="Delete an upload",
)
def delete_upload(gateway: Gateway, caller: UploadCaller, upload_id: str) -> None:
    gateway.uploads.delete(caller.tenant, upload_id)


def _expiry(gateway: Context) -> datetime:
    return gateway.clock() + timedelta(hours=gateway.settings.upload_hours)


def _offset_headers(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": http_date(upload.expires_at)}
