"""AssemblyAI's API as a part of the gateway: its routes, key and errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter

from services.gateway.compat.api import CompatibleApi
from services.gateway.compat.assemblyai import exports, transcripts
from shared.infra.web.dialect import Dialect, Failure

# What this vendor answers with status 400.
BAD_REQUESTS = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
MESSAGES = {
    HTTPStatus.UNAUTHORIZED: "Authentication error, API token missing/invalid",
    HTTPStatus.NOT_FOUND: "Transcript lookup error, transcript id not found",
}


def _write_error(failure: Failure) -> tuple[int, dict[str, Any]]:
    status = HTTPStatus(failure.status)
    message = MESSAGES.get(status, failure.message)
    return HTTPStatus.BAD_REQUEST if status in BAD_REQUESTS else status, {"error": message}


router = APIRouter()
router.include_router(transcripts.router)
router.include_router(exports.router)
API = CompatibleApi(
    router=router,
    dialects=(Dialect(prefixes=("/v2",), write_error=_write_error, key_schemes=()),),
    body_limits={transcripts.UPLOAD: None},
)
