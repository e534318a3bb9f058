"""A resumable upload: its length, the bytes received so far, and when it expires."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from shared.domain.value import Value


class Upload(Value):
    id: str
    tenant: str
    length: int = Field(ge=0)
    offset: int = Field(ge=0)
    metadata: str = Field(default="", repr=False)  # as the client wrote it; names are labels, never paths
    expires_at: datetime

    @property
    def complete(self) -> bool:
        return self.offset == self.length
