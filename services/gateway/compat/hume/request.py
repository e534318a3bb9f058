"""The start of a job: which of Hume's models and options have an effect, and which are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.body_parsers import download, read_whole, validate
from services.gateway.callbacks import Callback
from services.gateway.compat.api import UnsupportedOption, check_options, first_part, read_options
from services.gateway.context import Context
from services.gateway.job_intake import IncomingUpload
from services.gateway.multipart_stream import FormPart, PartLimits, boundary_of, read_parts
from shared.domain.emotion import Modality
from shared.domain.job_request import JobRequest
from shared.domain.webhook import PayloadFormat
from shared.infra.web.request_body import Body

METADATA = "hume"  # the entry of a job's metadata with its request
MAX_SOURCES = 100  # recordings of one request; each becomes a job
GRANULARITIES = (None, "utterance", "conversational_turn")


class Options(BaseModel):
    """Every other option is refused by its name, except those that have no effect."""

    model_config = ConfigDict(extra="allow")
    ignored: ClassVar[tuple[str, ...]] = ()


class Model(Options):
    granularity: str | None = None
    identify_speakers: bool | None = None


class Language(Model):
    sentiment: dict[str, Any] | None = None


class Face(Options):
    ignored = ("fps_pred", "prob_threshold", "min_face_size")

    identify_faces: bool | None = None


class Models(Options):
    face: Face | None = None
    prosody: Model | None = None
    language: Language | None = None


class Transcription(Options):
    language: str | None = None
    identify_speakers: bool | None = None


class Start(Options):
    ignored = ("notify",)

    models: Models | None = None
    transcription: Transcription | None = Transcription()
    urls: list[str] | None = Field(default=None, max_length=MAX_SOURCES)
    callback_url: str | None = Field(default=None, max_length=2000)

    def check(self) -> None:
        if self.transcription is None:
            raise UnsupportedOption("Not supported: transcription null, which turns the transcription off.")
        wanted = self.models or Models()
        for part in (self, wanted, wanted.face, wanted.prosody, wanted.language, self.transcription):
            extra = (part.model_extra if part else None) or {}
            given = {name: True if value == {} else value for name, value in extra.items()}
            check_options(given, supported=(), ignored=part.ignored if part else ())
        if any(one and one.granularity not in GRANULARITIES for one in (wanted.prosody, wanted.language)):
            raise UnsupportedOption("The granularity is utterance or conversational_turn.")

    @property
    def callback(self) -> Callback | None:
        return None if self.callback_url is None else Callback(self.callback_url, PayloadFormat.HUME)

    @property
    def modalities(self) -> tuple[Modality, ...] | None:
        """None if no model is named: every modality that the deployment allows."""
        models = self.models or Models()
        chosen = {Modality.TEXT: models.language, Modality.VOICE: models.prosody, Modality.FACE: models.face}
        return tuple(modality for modality, model in chosen.items() if model is not None) or None


class StoredRequest(BaseModel):
    models: dict[str, dict[str, Any]] = {}
    transcription: dict[str, Any] = {}
    callback_url: str | None = None


class StoredSource(BaseModel):
    type: Literal["url", "file"]
    url: str | None = None
    filename: str | None = None
    md5sum: str | None = None

    def show(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class StoredMember(BaseModel):
    """What a job's metadata contain about its request and the other recordings of it."""

    request: StoredRequest = StoredRequest()
    source: StoredSource
    others: tuple[str, ...] = Field(default=(), max_length=MAX_SOURCES)  # of the first job: the ids of the other jobs
    first: str | None = None  # of the other jobs


@dataclass(frozen=True, slots=True)
class ReceivedSource:
    incoming: IncomingUpload
    source: StoredSource


@dataclass(slots=True)
class Sources:
    """The recordings of one request."""

    receive: Callable[[], IncomingUpload]
    received: list[ReceivedSource] = field(default_factory=list)

    def download(self, gateway: Context, url: str) -> None:
        incoming = self._next()
        download(gateway, incoming, lambda name, blocks: self._put(incoming, name, blocks), url, None)
        self.received.append(ReceivedSource(incoming, StoredSource(type="url", url=url)))

    def read_file(self, part: FormPart) -> None:
        incoming, md5 = self._next(), hashlib.md5(usedforsecurity=False)
        self._put(incoming, part.filename, incoming.with_heartbeat(_hashed(part.blocks, md5)))
        source = StoredSource(type="file", filename=part.filename or "", md5sum=md5.hexdigest())
        self.received.append(ReceivedSource(incoming, source))

    def _next(self) -> IncomingUpload:
        if len(self.received) == MAX_SOURCES:
            raise UnsupportedOption(f"Not supported: more than {MAX_SOURCES} recordings in one job.")
        incoming = self.receive()
        if incoming.bytes_left is not None:
            incoming.bytes_left -= sum(one.incoming.size for one in self.received)
        return incoming

    def _put(self, incoming: IncomingUpload, name: str | None, blocks: Iterator[bytes]) -> None:
        for one in self.received:  # they wait for this one
            blocks = one.incoming.with_heartbeat(blocks)
        incoming.put_recording(name, blocks)


def read_start(gateway: Context, request: Request, body: Body, sources: Sources) -> Start:
    """Receive the recordings, as parts or from their URLs; the part `json` may come in any form."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip() == "multipart/form-data":
        start = _read_form(sources, boundary_of(content_type), body.blocks())
    else:
        start = validate(Start, read_whole(body.blocks()))
    start.check()
    for url in start.urls or ():
        sources.download(gateway, url)
    if not sources.received:
        raise UnsupportedOption("The request has no recording. Send one as the part `file`, or name it in `urls`.")
    return start


def job_request(
    request: Request, start: Start, source: StoredSource, *, others: Iterable[str] = (), first: str | None = None
) -> JobRequest:
    """The job of one recording."""
    asked = start.model_dump(mode="json", include={"models", "transcription", "callback_url"}, exclude_none=True)
    member = StoredMember(request=StoredRequest.model_validate(asked), source=source, others=tuple(others), first=first)
    fields = {
        "language": first_part(start.transcription.language if start.transcription else None),
        "modalities": start.modalities,
        "metadata": {METADATA: member.model_dump(mode="json", exclude_defaults=True)},
    }
    return read_options(request.headers, fields)


def _read_form(sources: Sources, boundary: str, blocks: Iterator[bytes]) -> Start:
    start = Start()
    for part in read_parts(blocks, boundary, PartLimits(parts=MAX_SOURCES + 1, files=MAX_SOURCES + 1)):
        if part.name == "json":
            content = read_whole(part.blocks)
            start = Start() if content.strip() in (b"", b"null") else validate(Start, content)
        elif part.name == "file":
            sources.read_file(part)
        else:
            raise UnsupportedOption(f"Not supported: {part.name}.")
    return start


def _hashed(blocks: Iterator[bytes], digest: Any) -> Iterator[bytes]:
    for block in blocks:
        digest.update(block)
        yield block
