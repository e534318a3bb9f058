"""The form of a transcription: which of OpenAI's fields have an effect, and which are refused."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers

from services.gateway.compat.api import GOVERNANCE_FIELDS, UnsupportedOption, check_options, first_part, read_options
from services.gateway.job_intake import MAX_KNOWN_VOICES, IncomingUpload
from services.gateway.multipart_stream import FieldReader, PartLimits, boundary_of, read_parts
from shared.domain.error import NotFound
from shared.domain.file_label import safe_file_label
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
MAX_DATA_HEAD = 200  # bytes of a data URL before its content
FORMATS = ("json", "text", "srt", "vtt", "verbose_json", "diarized_json")
KNOWN_NAMES, KNOWN_REFERENCES = "known_speaker_names", "known_speaker_references"
GRANULARITIES = ("word", "segment")
SUPPORTED = (
    KNOWN_NAMES,
    "model",
    "response_format",
    "language",
    "languages",
    "keywords",
    "timestamp_granularities",
    "stream",
    *GOVERNANCE_FIELDS,
)
IGNORED = ("prompt", "temperature", "chunking_strategy")


class UnknownModel(NotFound):
    code = "model_not_found"


@dataclass(slots=True)
class TranscriptionForm:
    fields: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, value: str) -> None:
        """`keywords[]` is a list; `chunking_strategy[type]` belongs to one option."""
        known = name if name in GOVERNANCE_FIELDS else name.partition("[")[0]
        self.fields.setdefault(known, []).append(value)

    def first(self, name: str, default: str = "") -> str:
        return self.fields.get(name, [default])[0]

    @property
    def streams(self) -> bool:
        return self.first("stream").lower() == "true"

    @property
    def response_format(self) -> str:
        return self.first("response_format") or "json"

    @property
    def language(self) -> str | None:
        """The language of the recording; empty if several are named, because the recogniser then detects it."""
        languages = self.fields.get("languages", [""])
        return first_part(self.first("language") or (languages[0] if len(languages) == 1 else ""))

    @property
    def granularities(self) -> Sequence[str]:
        return self.fields.get("timestamp_granularities", ())

    @property
    def known_names(self) -> Sequence[str]:
        return self.fields.get(KNOWN_NAMES, ())

    def warnings(self) -> list[str]:
        given: Mapping[str, Any] = {name: values[0] for name, values in self.fields.items()}
        warnings = check_options(given, supported=SUPPORTED, ignored=IGNORED)
        if self.language is None and len(self.fields.get("languages", ())) > 1:
            warnings.append("The language is detected; it need not be one of the languages.")
        if self.granularities and self.response_format != "verbose_json":
            warnings.append("The option timestamp_granularities has an effect only in verbose_json.")
        if self.known_names and self.response_format != "diarized_json":
            warnings.append("Speakers are named only in diarized_json.")
        return warnings

    def options(self, headers: Headers, max_seconds: float | None) -> JobRequest:
        model = self.first("model")
        if model not in MODELS:
            raise UnknownModel(f"There is no such model; use {MODEL}.")
        if self.response_format not in FORMATS:
            raise UnsupportedOption(f"The response_format is one of {', '.join(FORMATS)}.")
        if self.first("stream").lower() not in ("", "true", "false"):
            raise UnsupportedOption("The option stream must be true or false.")
        if not set(self.granularities) <= set(GRANULARITIES):
            raise UnsupportedOption(f"The option timestamp_granularities accepts only {' and '.join(GRANULARITIES)}.")
        self.warnings()
        fields: dict[str, Any] = {
            "language": self.language,
            "max_seconds": max_seconds,
            "vocabulary": self.fields.get("keywords", ()),
            "modalities": () if model in WITHOUT_EMOTION else None,
        }
        nested = {name: self.first(name) for name in GOVERNANCE_FIELDS if name in self.fields}
        return read_options(headers, fields, nested, names={"vocabulary": "keywords"})


def read_form(
    form: TranscriptionForm,
    incoming: IncomingUpload,
    headers: Headers,
    blocks: Iterator[bytes],
    max_seconds: float | None,
) -> JobRequest:
    """Receive the parts in any order; the recording is stored while it arrives."""
    limits = PartLimits(files=1)
    reader = FieldReader(limits)
    for part in read_parts(blocks, boundary_of(headers.get("content-type", "")), limits):
        if part.name == "file":
            incoming.put_recording(part.filename, part.blocks)
        elif part.name.startswith(KNOWN_REFERENCES):  # longer than all other fields together
            if len(incoming.known_voices) >= MAX_KNOWN_VOICES:
                raise UnsupportedOption(f"There are more than {MAX_KNOWN_VOICES} {KNOWN_REFERENCES}.")
            incoming.put_known_voice(None, _data_of(part.blocks))
        else:
            form.add(part.name, reader.read(part))
    names = [safe_file_label(name, "") for name in form.known_names]
    if len(names) != len(incoming.known_voices) or "" in names:
        raise UnsupportedOption(f"There must be as many {KNOWN_NAMES} as {KNOWN_REFERENCES}.")
    if names:
        form.fields[KNOWN_NAMES] = names
    named = zip(incoming.known_voices, names, strict=True)
    incoming.known_voices = [voice.model_copy(update={"name": name}) for voice, name in named]
    return form.options(headers, max_seconds)


def _data_of(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The content of a data URL, decoded while it arrives."""
    left, begun = b"", False
    for block in blocks:
        left += block
        if not begun:
            head, comma, rest = left.partition(b",")
            if not comma and len(left) < MAX_DATA_HEAD:
                continue
            if not (comma and head.startswith(b"data:") and head.endswith(b";base64")):
                break
            left, begun = rest, True
        whole = len(left) // 4 * 4
        yield _decoded(left[:whole])
        left = left[whole:]
    if left or not begun:
        raise UnsupportedOption(f"The {KNOWN_REFERENCES} are data URLs with audio in base64.")


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise UnsupportedOption(f"The {KNOWN_REFERENCES} are data URLs with audio in base64.") from None
