"""Any other program: `recording.ready`, signed as specified by Standard Webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from pydantic import BaseModel, Field
from starlette.datastructures import Headers

from services.gateway.body_parsers import validate
from services.gateway.connectors.connector import PlatformRecording, Received, RemoteFile, WebhookConnector
from services.gateway.connectors.settings import GenericSettings
from services.gateway.connectors.signatures import is_fresh, require_signature, same, single
from shared.domain.job_request import MAX_TRACKS, TrackAddress

READY = "recording.ready"
PREFIX = "whsec_"


class Data(BaseModel):
    url: str = Field(min_length=1, max_length=4000, repr=False)
    name: str | None = Field(default=None, max_length=255)
    tracks: tuple[TrackAddress, ...] = Field(default=(), max_length=MAX_TRACKS)


class Event(BaseModel):
    type: str
    data: Data | None = None


class Generic(WebhookConnector):
    name = "generic"
    settings: GenericSettings

    def __init__(self, settings: GenericSettings) -> None:
        self.settings = settings
        secret = settings.secret.get_secret_value().removeprefix(PREFIX)
        self._key = base64.b64decode(secret + "=" * (-len(secret) % 4))

    def verify_and_read(self, headers: Headers, body: bytes, now: datetime) -> Received:
        """Several signatures are allowed, so that the sender can rotate its secret."""
        message, timestamp = single(headers, "webhook-id"), single(headers, "webhook-timestamp")
        digest = hmac.digest(self._key, f"{message}.{timestamp}.".encode() + body, hashlib.sha256)
        expected = f"v1,{base64.b64encode(digest).decode()}"
        signed = [same(one, expected) for one in single(headers, "webhook-signature").split(" ")]
        require_signature(any(signed), is_fresh(timestamp, now), 0 < len(message) <= 255)
        event = validate(Event, body)
        if event.type != READY or event.data is None:
            return Received()
        return Received(
            PlatformRecording(
                key=message,
                mix=RemoteFile(url=event.data.url, name=event.data.name, begins_at=0.0),
                tracks=tuple(
                    RemoteFile(url=track.url, name=track.name, begins_at=track.start) for track in event.data.tracks
                ),
                source={"message": message},
            )
        )
