"""Settings of the courier; read from the environment as COURIER__…."""

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
    """Seconds between searches for failing endpoints and old deliveries."""

    log_days: int = Field(default=30, ge=1)
    """Days of retention for the delivery log."""
