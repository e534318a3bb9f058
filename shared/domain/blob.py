"""Large immutable things in storage: what one is, and the only shape that its key may have."""

from __future__ import annotations

import re

from pydantic import Field

from shared.domain.value import Value

_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


class Blob(Value):
    """What was stored, as counted and hashed on the way; never a client's claim."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def blob_path(tenant: str, key: str) -> str:
    """Where a tenant's blob lies. Keys are of our own making: a part that is not is a bug, not a request."""
    parts = (tenant, *key.split("/"))
    if not all(_PART.fullmatch(part) for part in parts):
        raise ValueError("a blob key is made of plain words with slashes between them")
    return "/".join(parts)
