"""A clip of a corpus, and the splits of a corpus that defines none."""

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
    """One utterance. The clips of a dialogue are consecutive, in the order in which they were spoken."""

    path: Path  # audio, and also video unless `film` is set
    label: int  # UNKNOWN if annotators disagree: the clip is still context for its neighbours
    speaker: str
    dialogue: str
    split: str = "train"
    text: str = ""  # empty for corpora with fixed sentences, which carry no information
    sentiment: int = UNKNOWN
    film: Path | None = None
    span: Span | None = None  # of the film


def sentiment_of(emotion: Emotion) -> int:
    sentiment = SENTIMENT_OF.get(emotion)
    return UNKNOWN if sentiment is None else SENTIMENT_NUMBER[sentiment]


def divided(clips: Sequence[Clip], *, by: str) -> list[Clip]:
    """Of five speakers or dialogues in order of their names, the second is for dev and the third for test."""
    groups = sorted({getattr(clip, by) for clip in clips})
    split_of = {group: {1: "dev", 2: "test"}.get(number % 5, "train") for number, group in enumerate(groups)}
    return [replace(clip, split=split_of[getattr(clip, by)]) for clip in clips]
