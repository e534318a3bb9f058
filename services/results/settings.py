"""Settings of the results service; read from the environment as RESULTS__…."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.infra.web.settings import WebSettings


class ResultsSettings(WebSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="RESULTS__", frozen=True)

    port: int = Field(default=8001, ge=0, le=65535)
    """The port to listen on."""
