"""Settings of the connectors; each is off until its secret (or folder) is set."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ConnectorSettings(BaseModel):
    tenant: str = ""
    """The tenant that owns the jobs; empty: that of the first key, or of this machine without keys."""

    options: str = ""
    """Options of every job as JSON, as in `POST /v1/recordings`: {"purpose": "research"}."""


class ZoomSettings(ConnectorSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ZOOM__", frozen=True)

    secret_token: SecretStr = SecretStr("")
    """The secret token of the Zoom app's event subscription; empty: off."""

    transcript_seconds: float = Field(default=0.0, ge=0, le=72000)
    """Seconds to wait for the transcript that Zoom completes after the recording; 0: begin without it."""


class LiveKitSettings(ConnectorSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LIVEKIT__", frozen=True)

    api_key: str = ""
    """The API key that signs the project's webhooks."""

    api_secret: SecretStr = SecretStr("")
    """The secret of that API key; empty: off."""

    bucket: str = ""
    """The bucket to which egress uploads; read with STORAGE__ENDPOINT and its keys. Empty: files at https URLs."""

    settle_seconds: float = Field(default=60.0, ge=0)
    """Seconds to wait for other egresses of a room, whose files become tracks of the same job."""


class JaasSettings(ConnectorSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="JAAS__", frozen=True)

    secret: SecretStr = SecretStr("")
    """The secret of the webhook endpoint at Jitsi as a Service; empty: off."""


class BigBlueButtonSettings(ConnectorSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="BIGBLUEBUTTON__", frozen=True)

    secret: SecretStr = SecretStr("")
    """The shared secret of the server (`bbb-conf --secret`); empty: off."""

    url: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$")
    """The address of the server, as in https://bbb.example.org."""

    captions: bool = False
    """Send the transcript back to the recording as captions."""

    poll_seconds: float = Field(default=600.0, ge=10)
    """Seconds between searches for recordings whose callback was lost."""


class NextcloudSettings(ConnectorSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEXTCLOUD__", frozen=True)

    secret: SecretStr = SecretStr("")
    """The secret that Nextcloud Talk shares with its recording server; empty: off."""


class GenericSettings(ConnectorSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="GENERIC__", frozen=True)

    secret: SecretStr = SecretStr("")
    """The secret of any other program that signs as Standard Webhooks: whsec_ and base64; empty: off."""

    @field_validator("secret")
    @classmethod
    def _decodable(cls, secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value().removeprefix("whsec_")
        base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        return secret


class WatchSettings(ConnectorSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="WATCH__", frozen=True)

    folder: str = ""
    """A folder in which new recordings are looked for; empty: off."""

    bucket: str = ""
    """A bucket in which new recordings are looked for; it is read with STORAGE__ENDPOINT and its keys. Empty: off."""

    prefix: str = ""
    """The prefix of the recordings in the bucket."""

    stable_seconds: float = Field(default=10.0, ge=0)
    """Seconds for which a file keeps its size and time before it counts as complete."""


@dataclass(frozen=True, slots=True)
class ConnectorsSettings:
    zoom: ZoomSettings = field(default_factory=ZoomSettings)
    livekit: LiveKitSettings = field(default_factory=LiveKitSettings)
    jaas: JaasSettings = field(default_factory=JaasSettings)
    bigbluebutton: BigBlueButtonSettings = field(default_factory=BigBlueButtonSettings)
    nextcloud: NextcloudSettings = field(default_factory=NextcloudSettings)
    generic: GenericSettings = field(default_factory=GenericSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)
