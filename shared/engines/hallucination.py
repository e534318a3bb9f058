"""Guards against words that nobody said: recognisers invent them over silence, and get caught in loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.speech import Word

LOOPS = 2.4  # a text that compresses better than this repeats itself
SILENCE = 0.6  # probability that nobody speaks …
DOUBT = -1.0  # … which counts when the words are this unlikely as well
LONGEST_LOOP = 8  # words
MOST_REPEATS = 3  # "no, no, no" is speech; a fourth time is a loop


class Heard(Protocol):
    """What a recogniser says of a segment beside its words."""

    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


def believable(segment: Heard) -> bool:
    if segment.compression_ratio > LOOPS:
        return False
    return not (segment.no_speech_prob > SILENCE and segment.avg_logprob < DOUBT)


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
    for length in range(1, LONGEST_LOOP + 1):
        phrase = _plain(words[place : place + length])
        repeats = 1
        while _plain(words[place + repeats * length : place + (repeats + 1) * length]) == phrase:
            repeats += 1
        if repeats > MOST_REPEATS:
            return length, repeats
    return 1, 1


def _plain(words: Sequence[Word]) -> list[str]:
    return [word.text.strip(".,!?").lower() for word in words]
