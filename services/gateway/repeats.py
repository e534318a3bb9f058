"""Idempotency-Key: the same key with the same request gets the same answer, and nothing is done twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.requests import Request

from shared.domain.error import IdempotencyKeyBusy, InvalidRequest
from shared.domain.idempotency import RequestKey, StoredAnswer
from shared.infra.web.api_keys import Caller
from shared.ports.keys import AnsweredRequests

BEAT_SECONDS = 20.0


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
class Once:
    """One request: either the first of its kind, or `stored` is what the first was answered."""

    stored: StoredAnswer | None = None
    answer: StoredAnswer | None = None
    job_id: str | None = None


@contextmanager
def once(requests: AnsweredRequests, key: RequestKey | None, fingerprint: str) -> Iterator[Once]:
    """Takes the key before the first effect that stays, and gives it back when nothing came of the request."""
    if key is None:
        yield Once()
        return
    begun = requests.begin(key, fingerprint)
    if not begun.new and begun.answer is None:
        raise IdempotencyKeyBusy("The first request with that Idempotency-Key has not ended.", mend="Ask again later.")
    one = Once(stored=begun.answer)
    try:
        yield one
    finally:
        if one.answer is not None:
            requests.answer(key, one.answer, job_id=one.job_id)
        elif one.stored is None:
            requests.release(key)


def beating(blocks: Iterable[bytes], beat: Callable[[], None]) -> Iterator[bytes]:
    """The blocks, with a sign of life now and then: long uploads must not be taken for dead ones."""
    last = time.monotonic()
    for block in blocks:
        if time.monotonic() - last > BEAT_SECONDS:
            beat()
            last = time.monotonic()
        yield block
