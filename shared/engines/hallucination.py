"""Filters hallucinated text: recognisers invent words over silence and repeat phrases in loops."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from shared.domain.speech import Word

MAX_COMPRESSION_RATIO = 2.4  # text with a higher compression ratio is repetitive
MAX_NO_SPEECH_PROBABILITY = 0.6  # a higher no-speech probability rejects a segment …
MIN_LOG_PROBABILITY = -1.0  # … if its mean log probability is also lower than this
MAX_LOOP = 8  # words
LOOP_IN_WORD = re.compile(r"(\D{1,8}?)\1{7,}")  # "Bzzzzzzzz"; digits may repeat
MAX_REPEATS = 3  # "no, no, no" is speech; a fourth repetition is a loop


class SegmentScores(Protocol):
    """Scores that a recogniser reports for a segment."""

    @property
    def avg_logprob(self) -> float: ...
    @property
    def no_speech_prob(self) -> float: ...
    @property
    def compression_ratio(self) -> float: ...


def is_plausible(segment: SegmentScores) -> bool:
    if segment.compression_ratio > MAX_COMPRESSION_RATIO:
        return False
    return not (segment.no_speech_prob > MAX_NO_SPEECH_PROBABILITY and segment.avg_logprob < MIN_LOG_PROBABILITY)


def without_loops(words: Sequence[Word]) -> list[Word]:
    """Keep one copy of a phrase that is repeated more than three times in a row, and no word that is a loop itself."""
    words = [word for word in words if not LOOP_IN_WORD.search(word.text)]
    unrepeated: list[Word] = []
    position = 0
    while position < len(words):
        length, repeats = _loop_at(words, position)
        unrepeated += words[position : position + length]
        position += length * repeats
    return unrepeated


def _loop_at(words: Sequence[Word], position: int) -> tuple[int, int]:
    """Return the length and the repetitions of the phrase that loops at this position; (1, 1) without a loop."""
    for length in range(1, MAX_LOOP + 1):
        phrase = _plain(words[position : position + length])
        repeats = 1
        while _plain(words[position + repeats * length : position + (repeats + 1) * length]) == phrase:
            repeats += 1
        if repeats > MAX_REPEATS:
            return length, repeats
    return 1, 1


def _plain(words: Sequence[Word]) -> list[str]:
    return [word.text.strip(".,!?").lower() for word in words]
