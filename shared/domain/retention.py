"""How long the things of one job are kept, where its sender wants them gone sooner than the deployment does."""

from __future__ import annotations

from pydantic import Field

from shared.domain.value import Value


class Retention(Value):
    """Counted from the job's end; left out means as the deployment does, and longer than that is not possible."""

    media_hours: float | None = Field(default=None, ge=0, le=24 * 366)
    artifacts_days: float | None = Field(default=None, ge=0, le=366)
    transcript_days: float | None = Field(default=None, ge=0, le=3660)
