"""Idempotency-Key: the same key with the same request gets the same answer, and nothing is done twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.requests import Request

from shared.domain.error import IdempotencyKeyInUse, InvalidRequest
from shared.domain.idempotency import RequestKey, StoredResponse
from shared.infra.web.api_keys import Caller
from shared.ports.keys import IdempotencyStore

HEARTBEAT_SECONDS = 20.0


def request_key(request: Request, caller: Caller) -> RequestKey | None:
    """The draft of the standard writes the key in quotation marks, and clients leave them out: both are taken."""
    text = request.headers.get("idempotency-key")
    if text is None:
        return None
    bare = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    try:
        return RequestKey(tenant=caller.tenant, method=request.method, path=request.url.path, key=bare)
    except ValidationError:
        raise InvalidRequest("An Idempotency-Key has 1 to 255 visible ASCII characters.") from None


@dataclass(slots=True)
class IdempotentRequest:
    """One request: either the first of its kind, or `stored` is what the first was answered."""

    stored: StoredResponse | None = None
    response: StoredResponse | None = None
    job_id: str | None = None


@contextmanager
def process_once(requests: IdempotencyStore, key: RequestKey | None, fingerprint: str) -> Iterator[IdempotentRequest]:
    """Takes the key before the first effect that stays, and gives it back when nothing came of the request."""
    if key is None:
        yield IdempotentRequest()
        return
    begun = requests.begin(key, fingerprint)
    if not begun.new and begun.response is None:
        raise IdempotencyKeyInUse("The first request with that Idempotency-Key has not ended.", hint="Ask again later.")
    one = IdempotentRequest(stored=begun.response)
    try:
        yield one
    finally:
        if one.response is not None:
            requests.store_response(key, one.response, job_id=one.job_id)
        elif one.stored is None:
            requests.release(key)


def with_heartbeat(blocks: Iterable[bytes], heartbeat: Callable[[], None]) -> Iterator[bytes]:
    """The blocks, with a sign of life now and then: long uploads must not be taken for dead ones."""
    last = time.monotonic()
    for block in blocks:
        if time.monotonic() - last > HEARTBEAT_SECONDS:
            heartbeat()
            last = time.monotonic()
        yield block
