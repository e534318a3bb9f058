"""Settings of the gateway; read from the environment as GATEWAY__…."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class GatewaySettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY__", frozen=True)

    host: str = "127.0.0.1"
    """The address to listen on."""

    port: int = Field(default=8000, ge=0, le=65535)
    """The port to listen on."""

    keyless: bool = False
    """Accept requests without a key: only for a service on a loopback address with a single user."""

    max_upload_mb: int = Field(default=5120, ge=1)
    """Maximum size in megabytes of one recording, or of one request with all its tracks."""

    quota_mb: int = Field(default=0, ge=0)
    """Megabytes of recordings that one tenant may have stored; 0 means no limit."""

    idle_seconds: float = Field(default=30.0, gt=0)
    """Seconds without a byte after which an upload is aborted."""

    min_bytes_per_second: int = Field(default=4096, ge=0)
    """Minimum mean transfer rate; slower uploads are aborted, and a resumable one can continue later."""

    max_uploads_per_key: int = Field(default=8, ge=1)
    """Concurrent uploads per key."""

    max_uploads: int = Field(default=64, ge=1)
    """Concurrent uploads of this process; each has a thread."""

    upload_wait_seconds: float = Field(default=60.0, ge=0)
    """Seconds for which an upload waits for a free slot before it is rejected."""

    requests_per_minute: int = Field(default=600, ge=1)
    """Requests per minute that one key, and likewise one address, may send to this process."""

    upload_hours: float = Field(default=24.0, gt=0)
    """Hours after which an unfinished resumable upload without new bytes expires."""

    secret_overlap_hours: float = Field(default=24.0, ge=0)
    """Hours for which the old secret of a webhook still signs after a rotation."""

    events_poll_seconds: float = Field(default=1.0, gt=0)
    """Seconds between database polls for each open event stream."""

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
