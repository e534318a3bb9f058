"""Retention periods of one job, which may be shorter than those of the deployment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from shared.domain.value import Value


class RetentionCategory(StrEnum):
    """The categories of stored data of a job, in the order in which they are deleted."""

    MEDIA = "media"
    ARTIFACTS = "artifacts"
    TRANSCRIPT = "transcript"  # deletes the job as well


class Retention(Value):
    """Retention periods from the end of the job; the deployment's periods are the default and the maximum."""

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


def shortest_period(
    category: RetentionCategory, deployment: timedelta | None, own: Iterable[Retention | None]
) -> timedelta | None:
    """The period that applies: the shortest of the deployment's and those of a tenant and a job."""
    periods = (deployment, *(one.period_of(category) for one in own if one is not None))
    return min((period for period in periods if period is not None), default=None)
