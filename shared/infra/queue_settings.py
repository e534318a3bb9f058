"""Settings of the queue, the same for every program on it; read from the environment as REDIS__… and QUEUE__…."""

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
    """This deployment has workers on the queue `gpu`; transcription is sent there."""

    max_waiting: int = Field(default=8, ge=1)
    """Messages kept waiting in Redis; the rest waits in the database, where tenants take turns."""

    sweep_seconds: float = Field(default=5.0, gt=0)
    """Seconds between sweeps for what died with its worker, or was lost."""

    max_stage_seconds: int = Field(default=3600, ge=120)
    """No attempt at a stage may take longer; half of the time after which Redis delivers a message again."""
