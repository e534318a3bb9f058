"""Settings of the courier and of retention; read from the environment as COURIER__… and RETENTION__…."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CourierSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="COURIER__", frozen=True)

    max_parallel: int = Field(default=16, ge=1, le=256)
    """Concurrent webhook deliveries."""

    poll_seconds: float = Field(default=1.0, gt=0)
    """Seconds between database polls when nothing was due."""

    sweep_seconds: float = Field(default=10.0, gt=0)
    """Seconds between sweeps of expired leases, erasures and failing endpoints."""

    lost_after_minutes: int = Field(default=30, ge=1)
    """Minutes after which an unclaimed message counts as lost and is sent again."""

    log_days: int = Field(default=30, ge=1)
    """Days of retention for the delivery log."""


class RetentionSettings(BaseSettings):
    """Retention periods of a job's data after its end; a job may request shorter periods, never longer ones."""

    model_config = SettingsConfigDict(env_prefix="RETENTION__", frozen=True)

    media_hours: float = Field(default=24.0, ge=0)
    """Retention of the recording in hours; a rerun with another engine needs the recording."""

    artifacts_days: float = Field(default=7.0, ge=0)
    """Retention of the stages' artifacts in days: audio, faces, voices."""

    transcript_days: float = Field(default=0.0, ge=0)
    """Days after which the transcript and the rest of its job are erased; 0 disables this."""
