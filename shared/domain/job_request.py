"""Job options in a request, from multipart forms or from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints, model_validator
from pydantic_core import from_json

from shared.domain.emotion import Modality
from shared.domain.governance import Consent, Purpose
from shared.domain.job import MAX_TERMS, Term, TrackStart
from shared.domain.retention import Retention
from shared.domain.value import Value


def _json(value: Any) -> Any:
    """Parse a structured form field, which is sent as JSON."""
    if isinstance(value, str):
        try:
            # Strict: no lone surrogates, no NaN, no numbers or nesting depths that other parsers reject.
            return from_json(value, allow_inf_nan=False)
        except ValueError:
            raise ValueError("not valid JSON") from None
    return value


def _words(value: Any) -> Any:
    """Parse a list: `text,voice` in a form, an array in JSON; `none` means empty."""
    if isinstance(value, str):
        return () if value.strip() == "none" else tuple(word.strip() for word in value.split(",") if word.strip())
    return value


def _pairs(value: Any) -> Any:
    """Parse a mapping: `asr=faster-whisper:small,faces=yunet` in a form, an object in JSON."""
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        return {slot.strip(): engine.strip() for slot, _, engine in pairs}
    return _json(value)


# No slashes and no leading dots: an option may become a model name, and must never become a path.
Slot = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,31}$")]
Engine = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(:[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")
]


class JobRequest(Value):
    """Options of a job; the defaults mean automatic detection, all allowed modalities and no callback."""

    language: str | None = Field(default=None, pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,3}$")
    vocabulary: Annotated[tuple[Term, ...], BeforeValidator(_words), Field(max_length=MAX_TERMS)] = ()
    speakers: int | None = Field(default=None, ge=1, le=64)
    max_speakers: int | None = Field(default=None, ge=1, le=64)
    modalities: Annotated[tuple[Modality, ...] | None, BeforeValidator(_words)] = None
    engines: Annotated[Mapping[Slot, Engine], BeforeValidator(_pairs), Field(max_length=16)] = {}
    separate_channels: bool = False
    min_speech: float | None = Field(default=None, ge=0, le=1, description="Fail if the share of speech is smaller")
    max_seconds: float | None = Field(default=None, gt=0, description="Fail if the recording is longer")
    captions: bool = Field(default=False, description="Make the captioned video after the transcript is done")
    metadata: Annotated[Mapping[str, JsonValue], BeforeValidator(_json)] = {}
    callback_url: str | None = Field(default=None, max_length=2000, repr=False)
    purpose: Purpose | None = None
    consent: Annotated[Consent | None, BeforeValidator(_json)] = None
    retention: Annotated[Retention | None, BeforeValidator(_json)] = None

    @model_validator(mode="after")
    def _check_speaker_counts(self) -> JobRequest:
        if self.speakers and self.max_speakers:
            raise ValueError("give the number of speakers or its maximum, not both")
        return self


MAX_TRACKS = 16


class TrackAddress(Value):
    """The URL of one participant's track; the default name is the last part of the URL."""

    url: str = Field(min_length=1, max_length=4000, repr=False)
    name: str | None = Field(default=None, max_length=255)
    start: TrackStart = Field(default=0.0, description="Seconds after the beginning of the recording")


class JobRequestByUrl(JobRequest):
    """A job for a recording at a URL or a finished upload (exactly one of them), with optional tracks at URLs."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["url"]}, {"required": ["upload"]}]})

    url: str | None = Field(default=None, min_length=1, max_length=4000, repr=False)
    upload: str | None = Field(default=None, min_length=1, max_length=64)
    name: str | None = Field(default=None, max_length=255)
    tracks: tuple[TrackAddress, ...] = Field(
        default=(), max_length=MAX_TRACKS, description="One file for each participant, named after them"
    )

    @model_validator(mode="after")
    def _one_source(self) -> JobRequestByUrl:
        if (self.url is None) == (self.upload is None):
            raise ValueError("give a url or an upload")
        return self
