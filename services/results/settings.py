"""Settings of the results service; read from the environment as RESULTS__…."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class ResultsSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="RESULTS__", frozen=True)

    host: str = "127.0.0.1"
    """The address to listen on."""

    port: int = Field(default=8001, ge=1, le=65535)
    """The port to listen on."""

    keyless: bool = False
    """Accept requests without a key: only for a service on a loopback address with a single user."""

    requests_per_minute: int = Field(default=600, ge=1)
    """Requests per minute that one key, and likewise one address, may send to this process."""

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses of trusted reverse proxies, whose X-Forwarded-For and X-Forwarded-Proto are used."""

    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins allowed by CORS, such as https://app.example."""

    @field_validator("trusted_proxies", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Split a comma-separated environment variable."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
