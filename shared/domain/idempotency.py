"""Idempotency of requests: the key, the state, and the stored response that a repeated request gets."""

from __future__ import annotations

from pydantic import Field

from shared.domain.value import Value


class RequestKey(Value):
    """Identifies a request; two requests with equal values are the same request."""

    tenant: str
    method: str = Field(max_length=8)
    path: str = Field(max_length=255)
    key: str = Field(pattern=r"^[\x21-\x7e]{1,255}$")


class StoredResponse(Value):
    status: int = Field(ge=100, le=599)
    body: bytes = Field(repr=False)


class RequestState(Value):
    """State of a request: new (process it), answered (return the response), or neither (the first one still runs).

    `job_id` is the job of a first request that ended between adding its job and storing its response.
    """

    new: bool
    response: StoredResponse | None = None
    job_id: str | None = None
