"""Zoom: `recording.completed` with its download token, and the validation of the URL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field
from starlette.datastructures import Headers

from services.gateway.body_parsers import validate
from services.gateway.connectors.connector import PlatformRecording, Received, RemoteFile, WebhookConnector
from services.gateway.connectors.settings import ZoomSettings
from services.gateway.connectors.signatures import is_fresh, require, same, sign
from shared.domain.job_request import MAX_TRACKS

VALIDATION = "endpoint.url_validation"
COMPLETED = "recording.completed"
# The first kind that a meeting has is its recording: one with video, otherwise the sound alone.
KINDS = ("MP4", "M4A")


class File(BaseModel):
    id: str = ""
    file_type: str = ""
    file_extension: str = ""
    file_name: str = ""
    download_url: str = Field(default="", repr=False)
    status: str = "completed"


class Meeting(BaseModel):
    uuid: str = Field(min_length=1)
    recording_files: Sequence[File] = ()
    participant_audio_files: Sequence[File] = ()


class Payload(BaseModel):
    plain_token: str = Field(default="", alias="plainToken", max_length=200)
    account_id: str = ""
    meeting: Meeting | None = Field(default=None, alias="object")


class Event(BaseModel):
    event: str
    payload: Payload
    download_token: str | None = Field(default=None, repr=False)


class Zoom(WebhookConnector):
    name = "zoom"
    settings: ZoomSettings

    def __init__(self, settings: ZoomSettings) -> None:
        self.settings = settings

    def read(self, headers: Headers, body: bytes, now: datetime) -> Received:
        secret, timestamp = self.settings.secret_token.get_secret_value(), headers.get("x-zm-request-timestamp", "")
        expected = "v0=" + sign(secret, f"v0:{timestamp}:".encode() + body).hex()
        require(same(headers.get("x-zm-signature", ""), expected), is_fresh(timestamp, now))
        event = validate(Event, body)
        if event.event == VALIDATION:
            token = event.payload.plain_token
            return Received(answer={"plainToken": token, "encryptedToken": sign(secret, token.encode()).hex()})
        if event.event != COMPLETED or event.payload.meeting is None:
            return Received()
        return Received(_recording(event, event.payload.meeting))


def _recording(event: Event, meeting: Meeting) -> PlatformRecording | None:
    complete = [file for file in meeting.recording_files if file.status == "completed" and file.download_url]
    mix = next((file for kind in KINDS for file in complete if file.file_type == kind), None)
    if mix is None:
        return None
    transcript = next((file for file in complete if file.file_type == "TRANSCRIPT"), None)
    return PlatformRecording(
        key=f"{meeting.uuid}/{mix.id}",
        mix=RemoteFile(url=mix.download_url, name=f"zoom.{mix.file_extension.lower() or mix.file_type.lower()}"),
        tracks=tuple(_tracks(meeting.participant_audio_files)),
        transcript=None if transcript is None else RemoteFile(url=transcript.download_url, name="zoom.vtt"),
        authorization=f"Bearer {event.download_token}" if event.download_token else None,
        source={"account_id": event.payload.account_id, "meeting_uuid": meeting.uuid, "file_id": mix.id},
    )


def _tracks(files: Sequence[File]) -> list[RemoteFile]:
    """One track for each participant, whose name is the text after the last hyphen of the file's name."""
    tracks: dict[str, RemoteFile] = {}
    for file in files[:MAX_TRACKS]:
        if file.download_url:
            name = file.file_name.rpartition("-")[2].strip().removesuffix(f".{file.file_extension.lower()}")
            tracks.setdefault(name, RemoteFile(url=file.download_url, name=name or None))
    return list(tracks.values())
