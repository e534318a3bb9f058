"""The form of a transcription: which of OpenAI's fields have an effect, and which are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers

from services.gateway.compat.api import UnsupportedOption, check_options, first_part, read_options
from services.gateway.job_intake import IncomingUpload
from services.gateway.multipart_stream import FieldReader, PartLimits, boundary_of, read_parts
from shared.domain.error import NotFound
from shared.domain.job_request import JobRequest

MODEL = "undertone-1"  # speakers and emotion
WITHOUT_EMOTION = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-transcribe-diarize",
)
MODELS = (MODEL, *WITHOUT_EMOTION)
FORMATS = ("json", "text", "srt", "vtt", "verbose_json", "diarized_json")
SUPPORTED = ("model", "response_format", "language", "keywords", "timestamp_granularities", "stream")
IGNORED = ("prompt", "temperature", "chunking_strategy")


class UnknownModel(NotFound):
    code = "model_not_found"


@dataclass(slots=True)
class TranscriptionForm:
    fields: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, value: str) -> None:
        """`keywords[]` is a list; `chunking_strategy[type]` belongs to one option."""
        self.fields.setdefault(name.partition("[")[0], []).append(value)

    def first(self, name: str, default: str = "") -> str:
        return self.fields.get(name, [default])[0]

    @property
    def streams(self) -> bool:
        return self.first("stream").lower() == "true"

    @property
    def response_format(self) -> str:
        return self.first("response_format") or "json"

    @property
    def granularities(self) -> Sequence[str]:
        return self.fields.get("timestamp_granularities", ())

    def warnings(self) -> list[str]:
        given: Mapping[str, Any] = {name: values[0] for name, values in self.fields.items()}
        return check_options(given, supported=SUPPORTED, ignored=IGNORED)

    def options(self, headers: Headers) -> JobRequest:
        model = self.first("model")
        if model not in MODELS:
            raise UnknownModel(f"There is no such model; use {MODEL}.")
        if self.response_format not in FORMATS:
            raise UnsupportedOption(f"The response_format is one of {', '.join(FORMATS)}.")
        self.warnings()
        fields: dict[str, Any] = {
            "language": first_part(self.first("language")),
            "vocabulary": self.fields.get("keywords", ()),
            "modalities": () if model in WITHOUT_EMOTION else None,
        }
        return read_options(headers, fields)


def read_form(
    form: TranscriptionForm, incoming: IncomingUpload, content_type: str, headers: Headers, blocks: Iterator[bytes]
) -> JobRequest:
    """Receive the parts in any order; the recording is stored while it arrives."""
    limits = PartLimits(files=1)
    reader = FieldReader(limits)
    for part in read_parts(blocks, boundary_of(content_type), limits):
        if part.name.startswith("known_speaker"):  # a reference is longer than all other fields together
            raise UnsupportedOption("Not supported: known_speaker_names, known_speaker_references.")
        if part.name == "file":
            incoming.put_recording(part.filename, part.blocks)
        else:
            form.add(part.name, reader.read(part))
    return form.options(headers)
