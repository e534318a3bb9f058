"""The responses of routes that read a transcript, for /openapi.json."""

from __future__ import annotations

from shared.domain.error import (
    EncryptionKeyMissing,
    JobFailed,
    NotFound,
    NotReady,
    StateConflict,
    StorageUnavailable,
    StoredDataMissing,
    UndertoneError,
)
from shared.infra.web.openapi import Responses, error_responses

BYTES = {"type": "string", "format": "binary"}
TEXT_TYPES = ("text/", "application/xml", "application/x-subrip")
TRANSCRIPT_ERRORS = (
    NotFound,
    NotReady,
    JobFailed,
    StateConflict,
    StoredDataMissing,
    EncryptionKeyMissing,
    StorageUnavailable,
)


def transcript_responses(*more: type[UndertoneError]) -> Responses:
    """Error responses of routes that need a finished transcript of the caller's tenant."""
    described = error_responses(*TRANSCRIPT_ERRORS, *more)
    described[409]["description"] += "; `job_failed` stands for the job's own code, such as `no_audio`"
    return described


def content_responses(media_type: str, *more: type[UndertoneError]) -> Responses:
    """Responses of a view: whole, partial, or not modified."""
    if media_type == "application/json":
        whole: dict[str, str] = {"type": "object"}
    else:
        whole = {"type": "string"} if media_type.startswith(TEXT_TYPES) else BYTES
    return {
        200: {
            "description": "The whole view. Its ETag changes when it does.",
            "content": {media_type: {"schema": whole}},
        },
        206: {"description": "The bytes of the requested `Range`.", "content": {media_type: {"schema": BYTES}}},
        304: {"description": "Unchanged since the response whose ETag is in `If-None-Match`."},
        **transcript_responses(*more),
    }
