"""Settings of the engines and limits of the decoder, read from the environment as ENGINES__… and MEDIA__…."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_models_dir() -> Path:
    return Path.home() / ".cache" / "undertone" / "models"


class EngineSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ENGINES__", frozen=True)

    models_dir: Path = Field(default_factory=default_models_dir)
    """The folder in which `undertone models fetch` stores weights and from which engines load them."""

    threads: int = Field(default=0, ge=0)
    """Threads for each engine; 0 takes all cores of this machine."""

    commercial_only: bool = False
    """Refuse weights whose licence or training data forbid commercial use."""

    hub_url: str = Field(default_factory=lambda: os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    """The hub of `undertone models fetch`, or a mirror of it; by default HF_ENDPOINT."""

    fetch: Literal["auto", "never"] = "auto"
    """`never`: weights come only from `undertone models import`."""


class MediaSettings(BaseSettings):
    """Limits on what the decoder opens: its parsers are the largest attack surface."""

    model_config = SettingsConfigDict(env_prefix="MEDIA__", frozen=True)

    max_seconds: float = Field(default=6 * 3600, gt=0)
    """Decoded audio, counted in samples; longer recordings are refused."""

    max_audio_streams: int = Field(default=16, ge=1)
    """Audio streams in one file."""

    max_video_streams: int = Field(default=4, ge=0)
    """Video streams in one file."""

    max_streams: int = Field(default=32, ge=1)
    """Streams of any kind in one file."""

    min_sample_rate: int = Field(default=4000, ge=1)
    """Samples per second of the sound; telephones have 8000."""

    max_pixels: int = Field(default=3840 * 2160, ge=1)
    """Width times height of one frame."""

    max_memory_mb: int = Field(default=2048, ge=256)
    """Address space of the decoder's process."""

    max_decode_seconds: float = Field(default=3600, gt=0)
    """Wall-clock time of one decoder process; then it is killed."""
