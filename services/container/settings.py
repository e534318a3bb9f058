"""Settings of a container; read from the environment as LOG__…."""

from __future__ import annotations

from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict


class LogSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LOG__", frozen=True)

    form: Literal["json", "text"] = "json"
    """How a container writes its log: one JSON object for each line, or text for people."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less important than this is not written."""
