"""Idempotency-Key: the same key with the same request gets the same answer, and nothing is done twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from starlette.requests import Request

from shared.domain.error import IdempotencyKeyReused, InvalidRequest
from shared.domain.idempotency import RequestKey, StoredAnswer
from shared.infra.web.api_keys import Caller
from shared.ports.idempotency import AnswerStore

LEASE = timedelta(minutes=3)  # without a sign of life
BEAT_SECONDS = 20.0
KEPT = timedelta(hours=24)


def request_key(request: Request, caller: Caller) -> RequestKey | None:
    text = request.headers.get("idempotency-key")
    if text is None:
        return None
    bare = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    if not 1 <= len(bare) <= 255 or not all("!" <= sign <= "~" for sign in bare):
        raise InvalidRequest("An Idempotency-Key has 1 to 255 visible ASCII characters.")
    return RequestKey(tenant=caller.tenant, method=request.method, path=request.url.path, key=bare)


@dataclass(slots=True)
class Once:
    """One request under its key; without a key it is nothing but itself."""

    answers: AnswerStore
    key: RequestKey | None
    holder: str
    stored: StoredAnswer | None = None
    finished: bool = False

    def check(self, fingerprint: str) -> StoredAnswer:
        """The first answer, if this is the same request."""
        assert self.stored is not None  # noqa: S101 - asked only when there is one
        if self.stored.fingerprint != fingerprint:
            raise IdempotencyKeyReused(
                "That Idempotency-Key came with another request.", mend="Use a new key for a new request."
            )
        return self.stored

    def finish(self, answer: StoredAnswer, *, job_id: str) -> None:
        self.finished = True
        if self.key is not None:
            self.answers.finish(self.key, self.holder, answer, job_id=job_id)

    def renew(self) -> None:
        if self.key is not None and self.stored is None:
            self.answers.renew(self.key, self.holder)


@contextmanager
def once(answers: AnswerStore, key: RequestKey | None) -> Iterator[Once]:
    """Takes the key before any effect, and gives it back when nothing came of the request."""
    one = Once(answers, key, uuid4().hex)
    if key is not None:
        one.stored = answers.begin(key, one.holder, lease=LEASE)
    try:
        yield one
    finally:
        if key is not None and one.stored is None and not one.finished:
            answers.abandon(key, one.holder)


def beating(blocks: Iterable[bytes], beat: Callable[[], None]) -> Iterator[bytes]:
    """The blocks, with a sign of life now and then: long uploads must not be taken for dead ones."""
    last = time.monotonic()
    for block in blocks:
        if time.monotonic() - last > BEAT_SECONDS:
            beat()
            last = time.monotonic()
        yield block
