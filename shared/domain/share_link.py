"""A share link: read-only access to one meeting for anyone who has its token, until it ends."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from shared.domain.value import Value


class ShareLink(Value):
    id: str
    tenant: str
    job_id: str
    key_id: str | None  # of its creator
    sound: bool = Field(description="Whether the recording can be played")
    emotion: bool = Field(description="Whether readings are shown")
    created_at: datetime
    expires_at: datetime
