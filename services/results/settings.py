"""Settings of the results service, read from the environment as RESULTS__…, and of share links, as SHARING__…."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.infra.language_model import NotesSettings
from shared.infra.retention_settings import RetentionSettings
from shared.infra.web.settings import WebSettings


class ResultsSettings(WebSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="RESULTS__", frozen=True)

    port: int = Field(default=8001, ge=0, le=65535)
    """The port to listen on."""


class SharingSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SHARING__", frozen=True)

    default_hours: float = Field(default=168.0, gt=0)
    """Hours for which a share link is valid unless its creator says otherwise."""

    max_hours: float = Field(default=720.0, ge=0)
    """The longest time for which a share link may be valid; 0 forbids links."""


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """The settings of share links, notes and retention."""

    sharing: SharingSettings = field(default_factory=SharingSettings)
    notes: NotesSettings = field(default_factory=NotesSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
