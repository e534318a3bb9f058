"""Settings of the queue, shared by all programs; read from the environment as REDIS__… and QUEUE__…."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class RedisSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="REDIS__", frozen=True)

    url: SecretStr = SecretStr("")
    """redis://:password@host:6379/0, rediss:// or redis+socket:///path; empty: `undertone serve` starts its own."""


class QueueSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="QUEUE__", frozen=True)

    gpu: bool = False
    """Send transcription to the queue `gpu`; the deployment needs workers on it."""

    max_waiting: int = Field(default=8, ge=1)
    """Maximum messages waiting in Redis; the rest waits in the database, which schedules tenants fairly."""

    sweep_seconds: float = Field(default=5.0, gt=0)
    """Seconds between sweeps for stages with expired leases, lost messages and unfinished erasures."""

    max_stage_seconds: int = Field(default=3600, ge=120)
    """Maximum seconds of one attempt at a stage; Redis redelivers a message after twice this time."""
