"""The request of a transcript: which of AssemblyAI's fields have an effect, and which are refused."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.callbacks import Callback
from services.gateway.compat.api import UnsupportedOption, check_options, first_part
from shared.domain.webhook import PayloadFormat

IGNORED = frozenset(
    {
        "boost_param",
        "disfluencies",
        "domain",
        "format_text",
        "keyterms_prompt_options",
        "language_confidence_threshold",
        "language_detection_options",
        "min_speakers_expected",
        "prompt",
        "punctuate",
        "remove_audio_tags",
        "speech_model",
        "speech_models",
        "temperature",
    }
)
NAMES = {"language": "language_code", "speakers": "speakers_expected", "vocabulary": "keyterms_prompt"}
NEVER_SENT = ("webhook-", "host", "content-length", "content-type", "transfer-encoding", "connection")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{1,1000}")


class SpeakerOptions(BaseModel):
    min_speakers_expected: int | None = None
    max_speakers_expected: int | None = Field(default=None, ge=1, le=64)


class TranscriptRequest(BaseModel):
    """The fields that have an effect; the others are checked by name."""

    model_config = ConfigDict(extra="allow")

    audio_url: str = Field(min_length=1, max_length=4000)
    speaker_labels: bool | None = None
    speakers_expected: int | None = None
    speaker_options: SpeakerOptions | None = None
    multichannel: bool | None = None
    dual_channel: bool | None = None
    language_code: str | None = Field(default=None, max_length=32)
    language_detection: bool | None = None
    sentiment_analysis: bool | None = None
    speech_threshold: float | None = Field(default=None, ge=0, le=1)
    audio_start_from: int | None = Field(default=None, ge=0)
    audio_end_at: int | None = Field(default=None, ge=0)
    word_boost: list[str] | None = None
    keyterms_prompt: list[str] | None = None
    webhook_url: str | None = Field(default=None, max_length=2000)
    webhook_auth_header_name: str | None = None
    webhook_auth_header_value: str | None = None

    def warnings(self) -> list[str]:
        least = self.speaker_options and self.speaker_options.min_speakers_expected
        given = {**(self.model_extra or {}), "min_speakers_expected": least}
        if self.audio_end_at is not None and self.audio_end_at <= (self.audio_start_from or 0):
            raise UnsupportedOption("audio_end_at must be later than audio_start_from.")
        return check_options(given, supported=(), ignored=IGNORED)

    def echo(self, warnings: list[str]) -> dict[str, Any]:
        """What the transcript repeats; never the value of the header."""
        hidden = {"webhook_auth_header_value", "word_boost", "keyterms_prompt", *(self.model_extra or {})}
        return self.model_dump(exclude_none=True, exclude=hidden) | ({"warnings": warnings} if warnings else {})

    def options(self) -> dict[str, Any]:
        most = self.speaker_options.max_speakers_expected if self.speaker_options else None
        return {
            "language": None if self.language_detection else first_part(self.language_code),
            "speakers": self.speakers_expected,
            "max_speakers": None if self.speakers_expected else most,
            "separate_channels": bool(self.multichannel or self.dual_channel),
            "min_speech": self.speech_threshold,
            "vocabulary": [*(self.keyterms_prompt or ()), *(self.word_boost or ())],
        }

    def callback(self) -> Callback | None:
        if self.webhook_url is None:
            return None
        name, value = self.webhook_auth_header_name, self.webhook_auth_header_value
        if name is None and value is None:
            return Callback(self.webhook_url, PayloadFormat.ASSEMBLYAI)
        fits = HEADER_NAME.fullmatch(name or "") and HEADER_VALUE.fullmatch(value or "")
        if not fits or (name or "").lower().startswith(NEVER_SENT):
            raise UnsupportedOption("The webhook's header must have a valid name and value.")
        return Callback(self.webhook_url, PayloadFormat.ASSEMBLYAI, f"{name}: {value}")
