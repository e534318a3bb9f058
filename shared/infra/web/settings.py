"""The settings that every HTTP service has; each service reads them under its own prefix."""

from __future__ import annotations

from pydantic import BaseModel, Field

from shared.infra.comma_list import CommaList


class WebSettings(BaseModel):
    """Base of a service's settings, together with `BaseSettings`."""

    host: str = "127.0.0.1"
    """The address to listen on."""

    port: int = Field(default=8000, ge=0, le=65535)
    """The port to listen on."""

    keyless: bool = False
    """Accept requests without a key: only for a service on a loopback address with a single user."""

    requests_per_minute: int = Field(default=600, ge=1)
    """Requests per minute that one key, and likewise one address, may send."""

    trusted_proxies: CommaList[str] = ()
    """Addresses of trusted reverse proxies, whose X-Forwarded-For and X-Forwarded-Proto are used."""

    cors_origins: CommaList[str] = ()
    """Origins allowed by CORS, such as https://app.example."""
