"""The start of a job: which of Hume's models and options have an effect, and which are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, ClassVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.body_parsers import download, read_whole, validate
from services.gateway.callbacks import Callback
from services.gateway.compat.api import UnsupportedOption, check_options, first_part, read_options
from services.gateway.context import Context
from services.gateway.job_intake import IncomingUpload
from services.gateway.multipart_stream import PartLimits, boundary_of, read_parts
from shared.domain.emotion import Modality
from shared.domain.job_request import JobRequest
from shared.domain.tenant import Scope
from shared.domain.webhook import PayloadFormat
from shared.infra.web.request_body import Body

METADATA = "hume"  # the entry of a job's metadata with its request
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
    urls: list[str] | None = Field(default=None, max_length=1)
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


def read_start(
    gateway: Context, request: Request, body: Body, incoming: IncomingUpload
) -> tuple[JobRequest, Callback | None]:
    """Receive the recording, as a part or from its URL; the part `json` may come in any form."""
    content_type = request.headers.get("content-type", "")
    blocks = incoming.with_heartbeat(body.blocks())
    if content_type.partition(";")[0].strip() == "multipart/form-data":
        start, source = _read_form(incoming, boundary_of(content_type), blocks)
    else:
        start = validate(Start, read_whole(blocks))
        start.check()
        source = None
    if start.urls:
        download(gateway, incoming, incoming.put_recording, start.urls[0], None)
        source = {"type": "url", "url": start.urls[0]}
    if start.callback is not None:  # it gets the predictions
        incoming.caller.require_scope(Scope.EMOTIONS_READ)
    shown = start.model_dump(
        mode="json", include={"models", "transcription", "urls", "callback_url"}, exclude_none=True
    )
    fields = {
        "language": first_part(start.transcription.language if start.transcription else None),
        "modalities": start.modalities,
        "metadata": {METADATA: {"request": shown, "source": source}},
    }
    return read_options(request.headers, fields), start.callback


def _read_form(incoming: IncomingUpload, boundary: str, blocks: Iterator[bytes]) -> tuple[Start, dict[str, Any] | None]:
    start, source = Start(), None
    for part in read_parts(blocks, boundary, PartLimits(files=2)):
        if part.name == "json":
            content = read_whole(part.blocks)
            start = Start() if content.strip() in (b"", b"null") else validate(Start, content)
        elif part.name == "file":
            md5 = hashlib.md5(usedforsecurity=False)
            incoming.put_recording(part.filename, _hashed(part.blocks, md5))
            source = {"type": "file", "filename": part.filename or "", "md5sum": md5.hexdigest()}
        else:
            raise UnsupportedOption(f"Not supported: {part.name}.")
    start.check()
    return start, source


def _hashed(blocks: Iterator[bytes], digest: Any) -> Iterator[bytes]:
    for block in blocks:
        digest.update(block)
        yield block
