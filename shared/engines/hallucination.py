"""Guards against words that nobody said: recognisers invent them over silence, and get caught in loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.speech import Word

MAX_COMPRESSION_RATIO = 2.4  # a text that compresses better than this repeats itself
MAX_NO_SPEECH_PROBABILITY = 0.6  # probability that nobody speaks …
MIN_LOG_PROBABILITY = -1.0  # … which counts when the words are this unlikely as well
MAX_LOOP = 8  # words
MAX_REPEATS = 3  # "no, no, no" is speech; a fourth time is a loop


class SegmentScores(Protocol):
    """What a recogniser says of a segment beside its words."""

    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


def is_plausible(segment: SegmentScores) -> bool:
    if segment.compression_ratio > MAX_COMPRESSION_RATIO:
        return False
    return not (segment.no_speech_prob > MAX_NO_SPEECH_PROBABILITY and segment.avg_logprob < MIN_LOG_PROBABILITY)


def without_loops(words: Sequence[Word]) -> list[Word]:
    """A phrase that comes more than three times in a row stays once."""
    kept: list[Word] = []
    place = 0
    while place < len(words):
        length, repeats = _loop_at(words, place)
        kept += words[place : place + length]
        place += length * repeats
    return kept


def _loop_at(words: Sequence[Word], place: int) -> tuple[int, int]:
    """The length of the phrase that loops here and how often it comes; one word once, where none does."""
    for length in range(1, MAX_LOOP + 1):
        phrase = _plain(words[place : place + length])
        repeats = 1
        while _plain(words[place + repeats * length : place + (repeats + 1) * length]) == phrase:
            repeats += 1
        if repeats > MAX_REPEATS:
            return length, repeats
    return 1, 1


def _plain(words: Sequence[Word]) -> list[str]:
    return [word.text.strip(".,!?").lower() for word in words]
