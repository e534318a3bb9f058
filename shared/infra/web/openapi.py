"""Adds to /openapi.json what FastAPI cannot derive: error responses, keys, and models of streamed bodies."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from shared.domain.error import (
    BodyTimeout,
    DatabaseUnavailable,
    HostNotAllowed,
    InsufficientScope,
    InvalidApiKey,
    InvalidRequest,
    MalformedBody,
    RequestTimeout,
    TooManyRequests,
    UndertoneError,
    UploadTooLarge,
)
from shared.infra.web.problems import MEDIA_TYPE, Problem
from shared.infra.web.share_links import share_token

Responses = dict[int | str, dict[str, Any]]

# Every route behind authentication may answer with these.
COMMON_ERRORS: tuple[type[UndertoneError], ...] = (
    InvalidApiKey,
    HostNotAllowed,
    InsufficientScope,
    UploadTooLarge,
    InvalidRequest,
    TooManyRequests,
    RequestTimeout,
    DatabaseUnavailable,
    UndertoneError,
)
REF = "#/components/schemas/{model}"


def error_responses(*errors: type[UndertoneError]) -> Responses:
    """The error responses of a route by status, each with its codes; the common ones are included."""
    codes: dict[int, list[str]] = {}
    for error in (*errors, *COMMON_ERRORS):
        codes.setdefault(error.http_status, []).append(f"`{error.code}`")
    content = {MEDIA_TYPE: {"schema": {"$ref": REF.format(model=Problem.__name__)}}}
    return {
        status: {"description": f"{HTTPStatus(status).phrase}: {', '.join(named)}", "content": content}
        for status, named in sorted(codes.items())
    }


def describe(app: FastAPI, models: Iterable[type[BaseModel]], open_paths: Collection[str]) -> dict[str, Any]:
    """The OpenAPI description; `models` are those that only hand-written parts of it refer to."""
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = described.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        every: tuple[type[BaseModel], ...] = (Problem, *models)
        for model in every:
            schema = model.model_json_schema(ref_template=REF)
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        components["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "bearerFormat": "ut_<id>_<secret>"}
        }
        described["security"] = [{"key": []}]
        for path, item in described["paths"].items():
            for method, operation in item.items():
                if path in open_paths or share_token(path) is not None or method == "options":  # a preflight has no key
                    operation["security"] = []
                if "requestBody" in operation:
                    _add_body_errors(operation["responses"])
        app.openapi_schema = described
    return app.openapi_schema


def _add_body_errors(responses: dict[str, Any]) -> None:
    """Every body may be malformed or arrive too slowly."""
    for status, answer in error_responses(MalformedBody, BodyTimeout).items():
        responses.setdefault(str(status), answer)
