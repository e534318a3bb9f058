"""Settings of retention; read from the environment as RETENTION__…."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.retention import RetentionCategory


class RetentionSettings(BaseSettings):
    """Retention periods of a job's data after its end; a job may request shorter periods, never longer ones."""

    model_config = SettingsConfigDict(env_prefix="RETENTION__", frozen=True)

    media_hours: float = Field(default=24.0, ge=0)
    """Retention of the recording in hours; a rerun with another engine needs the recording."""

    artifacts_days: float = Field(default=7.0, ge=0)
    """Retention of the stages' artifacts in days: audio, faces, voices."""

    transcript_days: float = Field(default=0.0, ge=0)
    """Days after which the transcript and the rest of its job are erased; 0 disables this."""

    @property
    def periods(self) -> Mapping[RetentionCategory, timedelta | None]:
        return {
            RetentionCategory.MEDIA: timedelta(hours=self.media_hours),
            RetentionCategory.ARTIFACTS: timedelta(days=self.artifacts_days),
            RetentionCategory.TRANSCRIPT: timedelta(days=self.transcript_days) if self.transcript_days else None,
        }
