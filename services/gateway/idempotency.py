"""Idempotency-Key: repeating a request with the same key returns the first response and has no second effect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import ValidationError

from shared.domain.error import IdempotencyKeyInUse, InvalidRequest
from shared.domain.idempotency import RequestKey, StoredResponse
from shared.infra.database.idempotency import SqlIdempotencyStore
from shared.infra.web.authentication import caller_of

ABOUT = "The same key with the same request gets the same response for 24 hours; 1 to 255 visible ASCII characters"


async def _request_key(
    request: Request, idempotency_key: Annotated[str | None, Header(description=ABOUT)] = None
) -> RequestKey | None:
    """Accepts the key with quotation marks, as the draft standard writes it, and without, as clients send it."""
    text = idempotency_key
    if text is None:
        return None
    bare = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    try:
        return RequestKey(tenant=caller_of(request).tenant, method=request.method, path=request.url.path, key=bare)
    except ValidationError:
        raise InvalidRequest("An Idempotency-Key has 1 to 255 visible ASCII characters.") from None


RequestKeyHeader = Annotated[RequestKey | None, Depends(_request_key)]


@dataclass(slots=True)
class IdempotentRequest:
    """One request: the first with its key, or a repeated one, with the stored response to the first.

    `added_job` is the job of a first request that could not store its response.
    """

    stored: StoredResponse | None = None
    added_job: str | None = None
    response: StoredResponse | None = None


@contextmanager
def process_once(
    requests: SqlIdempotencyStore, key: RequestKey | None, fingerprint: str, *, job_id: str | None = None
) -> Iterator[IdempotentRequest]:
    """Reserves the key before the first lasting effect, and releases it when the request fails."""
    if key is None:
        yield IdempotentRequest()
        return
    begun = requests.begin(key, fingerprint, job_id=job_id)
    if not begun.new and begun.response is None and begun.job_id is None:
        raise IdempotencyKeyInUse(
            "The first request with that Idempotency-Key is still running.", hint="Try again later."
        )
    one = IdempotentRequest(stored=begun.response, added_job=begun.job_id)
    try:
        yield one
    finally:
        if one.response is not None:
            requests.store_response(key, one.response, job_id=one.added_job or job_id)
        elif one.stored is None:
            requests.release(key)
