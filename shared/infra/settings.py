"""Settings of a deployment that no single room owns; read from the environment as ROOM__FIELD."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.domain.emotion import Modality


class GovernanceSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="GOVERNANCE__", frozen=True)

    modalities: Annotated[tuple[Modality, ...], NoDecode] = tuple(Modality)
    """The senses that this deployment allows; a job may ask for fewer, never for more.
    In the EU, inferring emotions from voice or face at work or in education is prohibited (AI Act, Art. 5(1)(f))."""

    require_consent: bool = False
    """Refuse voice and face for a job whose consent does not say that the participants were informed."""

    require_purpose: bool = False
    """Refuse a job that does not say its purpose."""

    @field_validator("modalities", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """In the environment a list is written with commas."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


class StorageSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="STORAGE__", frozen=True)

    folder: Path = Path.home() / ".local" / "share" / "undertone"
    """Where one machine keeps its state: blobs, and the database unless DATABASE__URL names another."""

    reserve_mb: int = Field(default=512, ge=0)
    """Megabytes that stay free in the folder; what would not fit is refused."""

    bucket: str = ""
    """Keep blobs in this bucket of an S3-compatible storage, and not in the folder."""

    endpoint: str = ""
    """The storage's address; empty means AWS."""

    region: str = "us-east-1"
    """The bucket's region."""

    access_key: SecretStr = SecretStr("")
    """The id of the storage's key; empty means the machine's own credentials."""

    secret_key: SecretStr = SecretStr("")
    """The secret of the storage's key."""


class DatabaseSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DATABASE__", frozen=True)

    url: SecretStr = SecretStr("")
    """postgresql://user:password@host/database, or sqlite:///file; empty means a file in STORAGE__FOLDER."""

    wait_seconds: float = Field(default=30.0, ge=0)
    """Seconds for which a program that starts waits for a PostgreSQL that does not answer yet."""


class PublicSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PUBLIC__", frozen=True)

    url: str = Field(default="", pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*[^\s/?#])?)?$")
    """The address at which clients reach the service, as in https://undertone.example.org; webhooks link to it."""


class LogSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LOG__", frozen=True)

    format: Literal["json", "text"] = "json"
    """How a service writes its log: one JSON object for each line, or text for people."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less important than this is not written."""
