"""The parts of /openapi.json that FastAPI cannot derive: streamed bodies and the headers of tus."""

from __future__ import annotations

from typing import Any

from services.gateway.body_parsers import TRANSCRIPT_TYPES
from services.gateway.job_intake import MAX_KNOWN_VOICES
from shared.domain.job_request import JobRequest, JobRequestByUrl
from shared.infra.web.openapi import REF, Responses

BINARY = {"schema": {"type": "string", "format": "binary"}}
_FIELDS = (*JobRequest.model_fields,)


def _form() -> dict[str, Any]:
    files = {
        "file": {"type": "string", "format": "binary", "description": "The recording"},
        "transcript": {
            "type": "string",
            "format": "binary",
            "description": "The platform's own: WebVTT, SRT or JSON; alone also lines `Name: text`",
        },
        "track": {
            "type": "array",
            "maxItems": 16,
            "items": {"type": "string", "format": "binary"},
            "description": "One file for each participant, named after them",
        },
        "known_voice": {
            "type": "array",
            "maxItems": MAX_KNOWN_VOICES,
            "items": {"type": "string", "format": "binary"},
            "description": "Clips of the voices of speakers, named after them",
        },
    }
    upload = {"upload": {"type": "string", "description": "The id of a finished resumable upload"}}
    words = {name: {"type": "string"} for name in _FIELDS}
    return {
        "type": "object",
        "anyOf": [{"required": ["file"]}, {"required": ["upload"]}, {"required": ["transcript"]}],
        "properties": {**files, **upload, **words},
        "additionalProperties": False,
    }


RECORDING_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _form()},
            "application/json": {"schema": {"$ref": REF.format(model=JobRequestByUrl.__name__)}},
            "application/octet-stream": BINARY,
            "audio/*": BINARY,
            "video/*": BINARY,
            **dict.fromkeys(TRANSCRIPT_TYPES, BINARY),
        },
    },
    "parameters": [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": {"type": "string"},
            "description": "With a raw body only",
        }
        for name in ("name", *_FIELDS)
    ],
}


def _header(name: str, kind: str, *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "schema": {"type": kind}}


def _answer(description: str, *names: str) -> dict[str, Any]:
    """A response of tus: it has headers and no body."""
    kinds = {"Upload-Offset": "integer", "Upload-Length": "integer", "Tus-Max-Size": "integer"}
    headers = {name: {"schema": {"type": kinds.get(name, "string")}} for name in ("Tus-Resumable", *names)}
    return {"description": description, "headers": headers}


TUS_PROTOCOL: Responses = {204: _answer("The protocol", "Tus-Version", "Tus-Extension", "Tus-Max-Size")}
TUS_CREATED: Responses = {201: _answer("Created", "Location", "Upload-Offset", "Upload-Expires")}
TUS_SHOWN: Responses = {
    200: _answer("Its state", "Upload-Offset", "Upload-Length", "Upload-Expires", "Upload-Metadata")
}
TUS_APPENDED: Responses = {204: _answer("Appended", "Upload-Offset", "Upload-Expires")}
TUS_DELETED: Responses = {204: _answer("Deleted")}
TUS_FIND: dict[str, Any] = {"parameters": [_header("Tus-Resumable", "string")]}
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
