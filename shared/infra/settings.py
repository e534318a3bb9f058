"""Settings of a deployment that no single room owns; read from the environment as ROOM__FIELD."""

from __future__ import annotations

from typing import Annotated

from pydantic import field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.domain.emotion import Modality


class GovernanceSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="GOVERNANCE__", frozen=True)

    modalities: Annotated[tuple[Modality, ...], NoDecode] = tuple(Modality)
    """The senses that this deployment allows; a job may ask for fewer, never for more.
    In the EU, inferring emotions from voice or face at work or in education is prohibited (AI Act, Art. 5(1)(f))."""

    require_purpose: bool = False
    """Refuse a job that does not say its purpose."""

    @field_validator("modalities", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """In the environment a list is written with commas."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value
