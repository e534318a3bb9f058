"""A request that may come twice: its key, what it asked for, and the answer that a repeat gets."""

from __future__ import annotations

from pydantic import Field

from shared.domain.value import Value


class RequestKey(Value):
    """What makes two requests the same one."""

    tenant: str
    method: str = Field(max_length=8)
    path: str = Field(max_length=255)
    key: str = Field(pattern=r"^[\x21-\x7e]{1,255}$")


class StoredResponse(Value):
    status: int = Field(ge=100, le=599)
    body: bytes = Field(repr=False)


class RequestState(Value):
    """How a request stands: new (process it), answered (repeat the answer), or neither (the first one still runs)."""

    new: bool
    response: StoredResponse | None = None
