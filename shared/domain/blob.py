"""Blobs: large immutable objects in storage, and the format of their keys."""

from __future__ import annotations

import re

from pydantic import Field

from shared.domain.value import Value

_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


class Blob(Value):
    """Size and hash of a stored object, measured while it was written, never taken from the client."""

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def blob_path(tenant: str, key: str) -> str:
    """The storage path of a tenant's blob. Keys are built by this program, so an invalid part is a bug."""
    parts = (tenant, *key.split("/"))
    if not all(_PART.fullmatch(part) for part in parts):
        raise ValueError("a blob key consists of plain words separated by slashes")
    return "/".join(parts)
