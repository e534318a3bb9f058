"""Words, speaker turns, and the utterances built from both."""

from __future__ import annotations

from pydantic import Field

from shared.domain.emotion import EmotionReading
from shared.domain.span import Span
from shared.domain.value import Value


class Word(Span):
    """One transcribed word; `speaker` is set only if the source names it (a track, a platform transcript)."""

    text: str = Field(min_length=1)
    # None: the source gives no confidence (a platform's captions).
    confidence: float | None = Field(default=None, ge=0, le=1)
    speaker: str | None = None


class Speech(Value):
    """The speech spans of one track; `track` is None for the mix of the recording."""

    track: str | None = None
    spans: tuple[Span, ...]


class SpeakerTurn(Span):
    """One turn of a speaker; turns of different speakers may overlap."""

    speaker: str
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How clearly the voice is this speaker's, from the diarization; null if the source does not say",
    )


class Transcription(Value):
    """The result of speech recognition: words in order, and their language."""

    words: tuple[Word, ...]
    language: str | None = None
    language_confidence: float | None = Field(default=None, ge=0, le=1)


class Utterance(Span):
    """A segment of one speaker's speech, with one emotion reading."""

    index: int = Field(ge=0)
    speaker: str
    text: str
    words: tuple[Word, ...]
    emotion: EmotionReading | None = None
