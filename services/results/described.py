"""What the description of the service says of its answers, so that no client meets one that stands nowhere."""

from __future__ import annotations

from typing import Any

from shared.domain.error import (
    AccessError,
    InvalidRequest,
    JobFailed,
    KeyRefused,
    NotFound,
    NotReady,
    ScopeMissing,
    StateConflict,
    StorageLost,
    UndertoneError,
)
from shared.infra.web_problems import answers

Answers = dict[int | str, dict[str, Any]]

ANYWHERE = (KeyRefused, AccessError, ScopeMissing, InvalidRequest, UndertoneError)
OF_TRANSCRIPTS = (NotFound, NotReady, JobFailed, StateConflict, StorageLost, *ANYWHERE)


def of_content(media_type: str, *more: type[UndertoneError]) -> Answers:
    """A view: whole, in part, or unchanged."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {
        200: {"description": "The whole view. Its ETag changes when it does.", "content": content},
        206: {"description": "The bytes that `Range` asked for.", "content": content},
        304: {"description": "Unchanged since the answer whose ETag `If-None-Match` names."},
        **of_transcript(*more),
    }


def of_transcript(*more: type[UndertoneError]) -> Answers:
    """Refusals of whatever needs a finished transcript of one's own."""
    described = answers(*OF_TRANSCRIPTS, *more)
    described[409]["description"] += "; `job_failed` stands for the job's own code, such as `no_audio`"
    return described
