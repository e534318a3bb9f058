"""Words, the turns of speakers, and the utterances made of both; each is a span with something in it."""

from __future__ import annotations

from pydantic import Field

from shared.domain.emotion import EmotionReading
from shared.domain.span import Span
from shared.domain.value import Value


class Word(Span):
    """One word as heard; `speaker` is set only where the source names it (a track, a platform transcript)."""

    text: str = Field(min_length=1)
    # None: the source does not say how sure it is (a platform's captions).
    confidence: float | None = Field(default=None, ge=0, le=1)
    speaker: str | None = None


class Speech(Value):
    """Where somebody speaks in one track; `track` is None for the whole recording's mix."""

    track: str | None = None
    spans: tuple[Span, ...]


class SpeakerTurn(Span):
    """One speaker holding the floor; turns of different speakers may overlap."""

    speaker: str
    # How sure the diarization is of this speaker; it decides who gets a word where turns overlap.
    confidence: float = Field(default=1.0, ge=0, le=1)


class Transcription(Value):
    """What a recogniser heard: words in order, and the language it heard them in."""

    words: tuple[Word, ...]
    language: str | None = None
    language_confidence: float | None = Field(default=None, ge=0, le=1)


class Utterance(Span):
    """A piece of one speaker's speech that is read and shown as one."""

    index: int = Field(ge=0)
    speaker: str
    text: str
    words: tuple[Word, ...]
    emotion: EmotionReading | None = None
