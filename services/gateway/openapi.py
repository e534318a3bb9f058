"""Adds to /openapi.json what FastAPI cannot derive: streamed bodies, keys, and problem responses."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.domain.job_request import JobRequest, JobRequestByUrl
from shared.infra.web.problems import Problem

REF = "#/components/schemas/{model}"
BINARY = {"schema": {"type": "string", "format": "binary"}}
_FIELDS = (*JobRequest.model_fields,)


def _form() -> dict[str, Any]:
    files = {
        "file": {"type": "string", "format": "binary", "description": "The recording"},
        "transcript": {"type": "string", "format": "binary", "description": "The platform's own: WebVTT, SRT or JSON"},
        "track": {
            "type": "array",
            "maxItems": 16,
            "items": {"type": "string", "format": "binary"},
            "description": "One file for each participant, named after them",
        },
    }
    words = {name: {"type": "string"} for name in _FIELDS}
    return {"type": "object", "required": ["file"], "properties": {**files, **words}, "additionalProperties": False}


IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same key with the same request gets the same response for 24 hours",
}

RECORDING_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _form()},
            "application/json": {"schema": {"$ref": REF.format(model="JobRequestByUrl")}},
            "application/octet-stream": BINARY,
            "audio/*": BINARY,
            "video/*": BINARY,
        },
    },
    "parameters": [
        IDEMPOTENCY_KEY,
        *(
            {
                "name": name,
                "in": "query",
                "required": False,
                "schema": {"type": "string"},
                "description": "With a raw body only",
            }
            for name in ("name", *_FIELDS)
        ),
    ],
}


def _header(name: str, kind: str, *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "schema": {"type": kind}}


_BYTES = {"content": {"application/offset+octet-stream": BINARY}}
TUS_CREATE: dict[str, Any] = {
    "requestBody": {**_BYTES, "required": False},
    "parameters": [
        _header("Tus-Resumable", "string"),
        _header("Upload-Length", "integer"),
        _header("Upload-Metadata", "string", required=False),
    ],
}
TUS_APPEND: dict[str, Any] = {
    "requestBody": {**_BYTES, "required": True},
    "parameters": [_header("Tus-Resumable", "string"), _header("Upload-Offset", "integer")],
}


def add_openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        parts = described.setdefault("components", {})
        schemas = parts.setdefault("schemas", {})
        for model in (Problem, JobRequestByUrl):
            schema = model.model_json_schema(ref_template=REF)
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "ut_<id>_<secret>"}}
        described["security"] = [{"key": []}]
        app.openapi_schema = described
    return app.openapi_schema
