"""Settings of the courier and of what it lets go; read from the environment as COURIER__… and RETENTION__…."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CourierSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="COURIER__", frozen=True)

    max_parallel: int = Field(default=16, ge=1, le=256)
    """Webhooks that are sent side by side."""

    poll_seconds: float = Field(default=1.0, gt=0)
    """Seconds between looks for something to send, when there was nothing."""

    sweep_seconds: float = Field(default=10.0, gt=0)
    """Seconds between sweeps of dead leases, erasures and failing endpoints."""

    lost_after_minutes: int = Field(default=30, ge=1)
    """Minutes after which a message that nobody claimed counts as lost, and is sent again."""

    log_days: int = Field(default=30, ge=1)
    """Days for which the log of deliveries is kept."""


class RetentionSettings(BaseSettings):
    """How long the things of a job are kept after its end; a job may ask for less, never for more."""

    model_config = SettingsConfigDict(env_prefix="RETENTION__", frozen=True)

    media_hours: float = Field(default=24.0, ge=0)
    """Hours for which the recording is kept; running it again with another engine needs it."""

    artifacts_days: float = Field(default=7.0, ge=0)
    """Days for which what the stages left is kept: sound, faces, voices."""

    transcript_days: float = Field(default=0.0, ge=0)
    """Days after which the transcript, and all that is left of its job, is erased; 0 keeps it until it is deleted."""
