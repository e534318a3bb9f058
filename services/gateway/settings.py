"""Settings of the gateway; read from the environment as GATEWAY__…."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.infra.comma_list import CommaList
from shared.infra.web.settings import WebSettings


class GatewaySettings(WebSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY__", frozen=True)

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

    upload_hours: float = Field(default=24.0, gt=0)
    """Hours after which an unfinished resumable upload without new bytes expires."""

    secret_overlap_hours: float = Field(default=24.0, ge=0)
    """Hours for which the old secret of a webhook still signs after a rotation."""

    compatible_apis: CommaList[str] = ("assemblyai", "openai", "deepgram", "hume", "sagemaker")
    """APIs of other services that clients may use unchanged; empty: the native API alone."""

    openai_max_minutes: float = Field(default=60.0, ge=0)
    """Longest recording of the OpenAI route, whose clients time out after ten minutes; 0 means no limit."""

    input_buckets: CommaList[str] = ()
    """Buckets of the object storage from which every tenant may have recordings read, as s3://bucket/key."""

    events_poll_seconds: float = Field(default=1.0, gt=0)
    """Seconds between database polls for each open event stream."""
