"""How long the things of one job are kept, where its sender wants them gone sooner than the deployment does."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from shared.domain.value import Value


class RetentionCategory(StrEnum):
    """The kinds of things that a job leaves, in the order in which they go."""

    MEDIA = "media"
    ARTIFACTS = "artifacts"
    TRANSCRIPT = "transcript"  # and with it the job


class Retention(Value):
    """Counted from the job's end; left out means as the deployment does, and longer than that is not possible."""

    media_hours: float | None = Field(default=None, ge=0, le=24 * 366)
    artifacts_days: float | None = Field(default=None, ge=0, le=366)
    transcript_days: float | None = Field(default=None, ge=0, le=3660)

    def period_of(self, category: RetentionCategory) -> timedelta | None:
        hours = {
            RetentionCategory.MEDIA: self.media_hours,
            RetentionCategory.ARTIFACTS: None if self.artifacts_days is None else 24 * self.artifacts_days,
            RetentionCategory.TRANSCRIPT: None if self.transcript_days is None else 24 * self.transcript_days,
        }[category]
        return None if hours is None else timedelta(hours=hours)
