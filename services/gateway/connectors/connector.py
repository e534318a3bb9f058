"""What a connector is, and what it reads from a platform's webhook: the recording, or an answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import Field, JsonValue, model_validator
from starlette.datastructures import Headers

from services.gateway.connectors.settings import ConnectorSettings
from shared.domain.error import NotFound
from shared.domain.job_request import MAX_TRACKS
from shared.domain.transcript import Transcript
from shared.domain.value import Value
from shared.infra.outbound import Outbound


class RemoteFile(Value):
    """A file of a recording: at a URL, in the connector's bucket, or in its folder (exactly one of them)."""

    url: str | None = Field(default=None, min_length=1, max_length=4000, repr=False)
    object: str | None = Field(default=None, min_length=1, max_length=1024, repr=False)
    path: str | None = Field(default=None, min_length=1, max_length=1024, repr=False)
    name: str | None = Field(default=None, max_length=255, repr=False)
    authorization: str | None = Field(default=None, repr=False)  # the Authorization header of the download
    begins_at: float | None = None  # seconds on the platform's clock, or from the beginning of the recording
    ends_at: float | None = None

    @model_validator(mode="after")
    def _one_place(self) -> RemoteFile:
        if sum(place is not None for place in (self.url, self.object, self.path)) != 1:
            raise ValueError("give a url, an object or a path")
        return self


class PlatformRecording(Value):
    """A recording of a platform, or a transcript that completes one of the same group."""

    key: str = Field(min_length=1, repr=False)  # the platform's id; each is imported once
    group: str | None = Field(default=None, repr=False)  # files with the same group become one job
    mix: RemoteFile | None = None
    tracks: tuple[RemoteFile, ...] = Field(default=(), max_length=MAX_TRACKS)
    transcript: RemoteFile | None = None
    source: Mapping[str, JsonValue] = {}  # the platform's ids, for the job's metadata
    settle_seconds: float = 0.0  # wait for other files of the group

    @property
    def main(self) -> RemoteFile | None:
        """The file that serves as the recording: the mix, or the track that begins first."""
        known = sorted(self.tracks, key=lambda track: math.inf if track.begins_at is None else track.begins_at)
        return self.mix or next(iter(known), None)


@dataclass(frozen=True, slots=True)
class Received:
    """A verified webhook. Without a recording it is an event that needs no action."""

    recording: PlatformRecording | None = None
    answer: Mapping[str, JsonValue] | None = None  # the body that the platform expects


class Connector:
    """A source of recordings. The hooks are for what the platform's files need besides a download."""

    name: str
    settings: ConnectorSettings
    wants_captions = False  # of the finished transcript

    def locate(self, recording: PlatformRecording, outbound: Outbound) -> PlatformRecording:
        """The recording with the places of its files, for a platform that announces only an id."""
        del outbound
        return recording

    def read_own(self, file: RemoteFile) -> Iterator[bytes]:
        """The bytes of a file in the connector's bucket or folder."""
        del file
        raise NotFound("The connector has no bucket or folder for this file.")

    def mark_failed(self, recording: PlatformRecording, reason: str) -> None:
        """Show the reason where the recording is."""

    def send_captions(self, recording: PlatformRecording, transcript: Transcript, outbound: Outbound) -> None:
        """Send the finished transcript back, for a connector whose platform accepts captions."""
        raise NotImplementedError


class WebhookConnector(Connector):
    def verify_and_read(self, headers: Headers, body: bytes, now: datetime) -> Received:
        """Verify the raw body and translate it; raises InvalidSignature, or InvalidRequest for an unknown form."""
        raise NotImplementedError
