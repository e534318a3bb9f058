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
    """Answer without a key: only for a service on a loopback address, whose only user sits at this machine."""

    max_upload_mb: int = Field(default=5120, ge=1)
    """Megabytes of one recording, or of one request with all its tracks."""

    quota_mb: int = Field(default=0, ge=0)
    """Megabytes of recordings that one tenant may have stored; 0: as many as there is room for."""

    idle_seconds: float = Field(default=30.0, gt=0)
    """Seconds without a byte after which an upload is given up."""

    min_bytes_per_second: int = Field(default=4096, ge=0)
    """Uploads that are slower in the mean are given up; a resumable one can go on later."""

    max_uploads_per_key: int = Field(default=8, ge=1)
    """Uploads that one key may have under way."""

    max_uploads: int = Field(default=64, ge=1)
    """Uploads that this process takes side by side; each has a thread."""

    upload_wait_seconds: float = Field(default=60.0, ge=0)
    """Seconds for which an upload waits, unread, for one of these places before it is refused."""

    requests_per_minute: int = Field(default=600, ge=1)
    """Requests that one key, and likewise one address, may make to this process."""

    upload_hours: float = Field(default=24.0, gt=0)
    """Hours for which an unfinished resumable upload waits for its next bytes."""

    secret_overlap_hours: float = Field(default=24.0, ge=0)
    """Hours for which the old secret of a webhook still signs after a rotation."""

    events_poll_seconds: float = Field(default=1.0, gt=0)
    """Seconds between looks at a job that somebody watches."""

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses of proxies in front, whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins of web pages that may use this service, such as https://app.example."""

    @field_validator("trusted_proxies", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """In the environment a list is written with commas."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
