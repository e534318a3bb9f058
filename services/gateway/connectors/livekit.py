"""LiveKit: `egress_ended`, signed by a token with the hash of the body."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field
from starlette.datastructures import Headers

from services.gateway.body_parsers import validate
from services.gateway.connectors.connector import PlatformRecording, Received, RemoteFile, WebhookConnector
from services.gateway.connectors.settings import LiveKitSettings
from services.gateway.connectors.signatures import read_jwt, require_signature, same, single
from shared.domain.error import InvalidRequest
from shared.infra.objects_bucket import ObjectsBucket

ENDED = "egress_ended"
WITH_FILE = ("EGRESS_COMPLETE", "EGRESS_LIMIT_REACHED")


NANOSECONDS = 1e9
Nanoseconds = Annotated[int, Field(ge=0, le=1 << 63)]  # since 1970; 0: unknown


class File(BaseModel):
    filename: str = ""
    location: str = Field(default="", repr=False)
    started_at: Nanoseconds = Field(default=0, alias="startedAt")
    ended_at: Nanoseconds = Field(default=0, alias="endedAt")


class Participant(BaseModel):
    identity: str = ""


class Egress(BaseModel):
    egress_id: str = Field(alias="egressId", min_length=1)
    room_id: str = Field(default="", alias="roomId")
    status: str = ""
    participant: Participant | None = None
    file_results: Sequence[File] = Field(default=(), alias="fileResults")
    file: File | None = None


class Event(BaseModel):
    event: str
    id: str = ""
    egress: Egress | None = Field(default=None, alias="egressInfo")


class LiveKit(WebhookConnector):
    name = "livekit"
    settings: LiveKitSettings

    def __init__(self, settings: LiveKitSettings, bucket: ObjectsBucket | None = None) -> None:
        self.settings = settings
        self._bucket = bucket

    def verify_and_read(self, headers: Headers, body: bytes, now: datetime) -> Received:
        claims = read_jwt(single(headers, "authorization"), self.settings.api_secret.get_secret_value())
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        require_signature(
            same(str(claims.get("sha256", "")), digest),
            same(str(claims.get("iss", "")), self.settings.api_key),
            _is_valid(claims, now),
        )
        event = validate(Event, body)
        if event.event != ENDED or event.egress is None or event.egress.status not in WITH_FILE:
            return Received()
        return Received(self._recording(event.egress))

    def read_own(self, file: RemoteFile) -> Iterator[bytes]:
        if self._bucket is None or file.object is None:
            return super().read_own(file)
        return self._bucket.read(file.object)

    def _recording(self, egress: Egress) -> PlatformRecording | None:
        """The files of a participant are a track; those of all egresses of a room become one job."""
        files = [*egress.file_results, *([egress.file] if egress.file else [])]
        if not files:
            return None
        place = self._place(files[0])
        source = {"egress_id": egress.egress_id, "room_id": egress.room_id}
        person = None if egress.participant is None else egress.participant.identity
        return PlatformRecording(
            key=egress.egress_id,
            group=egress.room_id or None,
            mix=None if person else place,
            tracks=(place.model_copy(update={"name": person}),) if person else (),
            source=source,
            settle_seconds=self.settings.settle_seconds if egress.room_id else 0.0,
        )

    def _place(self, file: File) -> RemoteFile:
        """A file in the configured bucket is read from it: S3 has no public address for its objects."""
        key = self._key_in_bucket(file.location)
        if key is None and urlsplit(file.location).scheme not in ("http", "https"):
            raise InvalidRequest(
                "The egress stored its file where this service cannot read it.",
                hint="Set LIVEKIT__BUCKET to the bucket of the egress, and STORAGE__ENDPOINT with its keys.",
            )
        return RemoteFile(
            url=file.location if key is None else None,
            object=key,
            name=file.filename[-255:],
            begins_at=file.started_at / NANOSECONDS or None,
            ends_at=file.ended_at / NANOSECONDS or None,
        )

    def _key_in_bucket(self, location: str) -> str | None:
        address = urlsplit(location)
        path, bucket = unquote(address.path.lstrip("/")), self.settings.bucket
        if bucket and address.netloc.partition(".")[0] == bucket:  # s3://bucket/key, https://bucket.s3.example/key
            return path
        if bucket and path.startswith(f"{bucket}/"):
            return path.removeprefix(f"{bucket}/")
        return None


def _is_valid(claims: dict[str, Any], now: datetime) -> bool:
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        return False
    return begins - 60 <= now.timestamp() < expires
