"""Settings of the courier; read from the environment as COURIER__…."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CourierSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="COURIER__", frozen=True)

    parallel: int = Field(default=16, ge=1, le=256)
    """Webhooks that are sent side by side."""

    poll_seconds: float = Field(default=1.0, gt=0)
    """Seconds between looks for something to send, when there was nothing."""

    sweep_seconds: float = Field(default=10.0, gt=0)
    """Seconds between sweeps of dead leases, erasures and failing endpoints."""

    lost_minutes: int = Field(default=30, ge=1)
    """Minutes after which a message that nobody claimed counts as lost, and is sent again."""

    log_days: int = Field(default=30, ge=1)
    """Days for which the log of deliveries is kept."""
