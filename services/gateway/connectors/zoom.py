"""Zoom: completed recordings and transcripts with their download token, and the validation of the URL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field
from starlette.datastructures import Headers

from services.gateway.body_parsers import validate
from services.gateway.connectors.connector import PlatformRecording, Received, RemoteFile, WebhookConnector
from services.gateway.connectors.settings import ZoomSettings
from services.gateway.connectors.signatures import is_fresh, require_signature, same, sign, single
from shared.domain.job_request import MAX_TRACKS

VALIDATION = "endpoint.url_validation"
COMPLETED = "recording.completed"
TRANSCRIPT_COMPLETED = "recording.transcript_completed"
# The first kind that a meeting has is its recording: one with video, otherwise the sound alone.
KINDS = ("MP4", "M4A")


# The string is empty until the recording ends.
Instant = Annotated[AwareDatetime | None, BeforeValidator(lambda value: value or None)]


class File(BaseModel):
    id: str = ""
    file_type: str = ""
    file_extension: str = ""
    file_name: str = ""
    download_url: str = Field(default="", repr=False)
    status: str = "completed"
    recording_start: Instant = None
    recording_end: Instant = None


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

    def verify_and_read(self, headers: Headers, body: bytes, now: datetime) -> Received:
        secret, timestamp = self.settings.secret_token.get_secret_value(), single(headers, "x-zm-request-timestamp")
        expected = "v0=" + sign(secret, f"v0:{timestamp}:".encode() + body).hex()
        require_signature(same(single(headers, "x-zm-signature"), expected), is_fresh(timestamp, now))
        event = validate(Event, body)
        if event.event == VALIDATION:
            token = event.payload.plain_token
            return Received(answer={"plainToken": token, "encryptedToken": sign(secret, token.encode()).hex()})
        if event.event not in (COMPLETED, TRANSCRIPT_COMPLETED) or event.payload.meeting is None:
            return Received()
        return Received(self._recording(event, event.payload.meeting))

    def _recording(self, event: Event, meeting: Meeting) -> PlatformRecording | None:
        """The files of one meeting. Its transcript may arrive in a separate event, and belongs to the same group."""
        complete = [file for file in meeting.recording_files if file.status == "completed" and file.download_url]
        mix = next((file for kind in KINDS for file in complete if file.file_type == kind), None)
        transcript = next((file for file in complete if file.file_type == "TRANSCRIPT"), None)
        first = mix if event.event == COMPLETED else transcript
        if first is None:
            return None
        suffix = first.file_extension.lower() or first.file_type.lower()
        waits = transcript is None and event.event == COMPLETED
        return PlatformRecording(
            key=f"{meeting.uuid}/{first.id}",
            group=meeting.uuid,
            mix=_remote(event, first, f"zoom.{suffix}") if first is mix else None,
            tracks=tuple(_tracks(event, meeting.participant_audio_files)) if first is mix else (),
            transcript=None if transcript is None else _remote(event, transcript, "zoom.vtt"),
            source={"account_id": event.payload.account_id, "meeting_uuid": meeting.uuid, "file_id": first.id},
            settle_seconds=self.settings.transcript_seconds if waits else 0.0,
        )


def _remote(event: Event, file: File, name: str | None) -> RemoteFile:
    return RemoteFile(
        url=file.download_url,
        name=name,
        authorization=f"Bearer {event.download_token}" if event.download_token else None,
        begins_at=file.recording_start and file.recording_start.timestamp(),
        ends_at=file.recording_end and file.recording_end.timestamp(),
    )


def _tracks(event: Event, files: Sequence[File]) -> Iterator[RemoteFile]:
    """A track is named after the participant: the text after the last hyphen of the file's name."""
    for file in files[:MAX_TRACKS]:
        if file.download_url:
            name = file.file_name.rpartition("-")[2].strip().removesuffix(f".{file.file_extension.lower()}")
            yield _remote(event, file, name or None)
