"""Documents every error response in /openapi.json."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.domain.error import (
    HostNotAllowed,
    InsufficientScope,
    InvalidApiKey,
    InvalidRequest,
    JobFailed,
    NotFound,
    NotReady,
    StateConflict,
    StorageUnavailable,
    StoredDataMissing,
    TooManyRequests,
    UndertoneError,
    UploadTooLarge,
)
from shared.infra.web.problems import MEDIA_TYPE, SCHEMA, Problem

Responses = dict[int | str, dict[str, Any]]

COMMON_ERRORS = (
    InvalidApiKey,
    HostNotAllowed,
    InsufficientScope,
    UploadTooLarge,
    InvalidRequest,
    TooManyRequests,
    UndertoneError,
)
TRANSCRIPT_ERRORS = (NotFound, NotReady, JobFailed, StateConflict, StoredDataMissing, StorageUnavailable)
REF = "#/components/schemas/{model}"


def error_responses(*errors: type[UndertoneError]) -> Responses:
    """Problem responses by status, each with its codes; those of all routes are included."""
    codes: dict[int, list[str]] = {}
    every: tuple[type[UndertoneError], ...] = (*errors, *COMMON_ERRORS)
    for error in every:
        codes.setdefault(error.http_status, []).append(f"`{error.code}`")
    content = {MEDIA_TYPE: {"schema": {"$ref": SCHEMA}}}
    return {
        status: {"description": f"{HTTPStatus(status).phrase}: {', '.join(named)}", "content": content}
        for status, named in sorted(codes.items())
    }


def transcript_responses(*more: type[UndertoneError]) -> Responses:
    """Error responses of routes that need a finished transcript of the caller's tenant."""
    described = error_responses(*TRANSCRIPT_ERRORS, *more)
    described[409]["description"] += "; `job_failed` stands for the job's own code, such as `no_audio`"
    return described


def content_responses(media_type: str, *more: type[UndertoneError]) -> Responses:
    """Responses of a view: whole, partial, or not modified."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {
        200: {"description": "The whole view. Its ETag changes when it does.", "content": content},
        206: {"description": "The bytes of the requested `Range`.", "content": content},
        304: {"description": "Unchanged since the response whose ETag is in `If-None-Match`."},
        **transcript_responses(*more),
    }


def add_openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        parts = described.setdefault("components", {})
        schema = Problem.model_json_schema(ref_template=REF)
        parts.setdefault("schemas", {}).update({**schema.pop("$defs", {}), Problem.__name__: schema})
        parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "ut_<id>_<secret>"}}
        described["security"] = [{"key": []}]
        app.openapi_schema = described
    return app.openapi_schema
