"""Settings shared by several packages; read from the environment as SECTION__FIELD."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.emotion import Modality
from shared.infra.comma_list import CommaList


class GovernanceSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="GOVERNANCE__", frozen=True)

    modalities: CommaList[Modality] = tuple(Modality)
    """The modalities that this deployment allows; a job may request fewer, but not more.
    In the EU, inferring emotions from voice or face at work or in education is prohibited (AI Act, Art. 5(1)(f))."""

    require_consent: bool = False
    """Reject voice and face for a job whose consent does not state that the participants were informed."""

    require_purpose: bool = False
    """Reject a job without a purpose."""


class StorageSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="STORAGE__", frozen=True)

    folder: Path = Path.home() / ".local" / "share" / "undertone"
    """Folder for local state: blobs, and the database unless DATABASE__URL is set."""

    reserve_mb: int = Field(default=512, ge=0)
    """Megabytes that stay free in the folder; uploads that would not fit are rejected."""

    bucket: str = ""
    """Bucket of an S3-compatible storage for blobs; empty: blobs are stored in the folder."""

    endpoint: str = ""
    """Endpoint URL of the object storage; empty: AWS."""

    region: str = "us-east-1"
    """The bucket's region."""

    access_key: SecretStr = SecretStr("")
    """Access key id; empty: the machine's own credentials."""

    secret_key: SecretStr = SecretStr("")
    """Secret access key."""

    encryption_keys: SecretStr = SecretStr("")
    """Comma-separated master keys, each 32 bytes as base64, that encrypt the keys of the tenants' blobs: the first
    encrypts, all decrypt; empty: blobs are not encrypted."""

    encryption_keys_file: str = ""
    """A file that contains these keys, used instead of the setting above."""


class DatabaseSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DATABASE__", frozen=True)

    url: SecretStr = SecretStr("")
    """postgresql://user:password@host/database, or sqlite:///file; empty: a file in STORAGE__FOLDER."""

    wait_seconds: float = Field(default=30.0, ge=0)
    """Seconds to wait at startup for a PostgreSQL server that does not respond yet."""


class PublicSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PUBLIC__", frozen=True)

    url: str = Field(default="", pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*[^\s/?#])?)?$")
    """The address at which clients reach the service, as in https://undertone.example.org; webhooks link to it."""


class LogSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LOG__", frozen=True)

    format: Literal["json", "text"] = "json"
    """Log format: one JSON object per line, or text."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Minimum log level."""
