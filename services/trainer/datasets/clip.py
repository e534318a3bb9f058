"""One clip of a corpus, and how a corpus without splits of its own is divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.trainer.labels import SENTIMENT_NUMBER, SENTIMENT_OF, UNKNOWN
from shared.domain.emotion import Emotion
from shared.domain.span import Span

SPLITS = ("train", "dev", "test")
FILMS = (".mp4", ".mkv", ".webm", ".mov")
SOUNDS = (".wav", ".flac", ".opus", ".ogg", ".mp3", ".m4a")


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance. Its dialogue's clips stand together, in the order in which they were spoken."""

    path: Path  # what is heard, and seen unless `film` says otherwise
    label: int  # UNKNOWN where annotators did not agree: still the context of its neighbours
    speaker: str
    dialogue: str
    split: str = "train"
    text: str = ""  # empty where a corpus has fixed sentences: they say nothing
    sentiment: int = UNKNOWN
    film: Path | None = None
    span: Span | None = None  # of the film


def sentiment_of(emotion: Emotion) -> int:
    sentiment = SENTIMENT_OF.get(emotion)
    return UNKNOWN if sentiment is None else SENTIMENT_NUMBER[sentiment]


def divided(clips: Sequence[Clip], *, by: str) -> list[Clip]:
    """Of five speakers or dialogues in order of their names, the second is for dev and the third for test."""
    groups = sorted({getattr(clip, by) for clip in clips})
    place = {group: {1: "dev", 2: "test"}.get(number % 5, "train") for number, group in enumerate(groups)}
    return [replace(clip, split=place[getattr(clip, by)]) for clip in clips]
