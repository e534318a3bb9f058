"""A request that is sent twice and done once: its key, and what the first one was answered."""

from __future__ import annotations

from pydantic import Field

from shared.domain.value import Value


class RequestKey(Value):
    """A client's key counts for one tenant and one call."""

    tenant: str
    method: str
    path: str
    key: str = Field(min_length=1, max_length=255)


class StoredAnswer(Value):
    """How the first request was answered, and what it asked."""

    fingerprint: str
    status: int
    body: bytes = Field(repr=False)
