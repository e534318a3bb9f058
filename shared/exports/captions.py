"""Splits utterances into captions of at most two lines, each with its speaker."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from shared.domain.emotion import EmotionReading
from shared.domain.span import Span
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript

MAX_CHARACTERS = 84  # two lines of 42
MAX_SECONDS = 7.0


class Caption(Span):
    """Some words of one utterance, with the time for which they are shown."""

    speaker: str
    text: str
    emotion: EmotionReading | None


def captions(transcript: Transcript, *, emotion: bool) -> Iterator[Caption]:
    for utterance in transcript.utterances:
        for start, end, text in _pieces(utterance):
            yield Caption(
                start=start,
                end=max(end, start),
                speaker=transcript.name_of(utterance.speaker),
                text=text,
                emotion=utterance.emotion if emotion else None,
            )


def _pieces(utterance: Utterance) -> Iterator[tuple[float, float, str]]:
    """Split by words if they still match the text; a corrected utterance stays in one piece."""
    words = utterance.words
    if plain(" ".join(word.text for word in words)) != plain(utterance.text):
        yield utterance.start, utterance.end, plain(utterance.text)
        return
    first = 0
    for number in range(1, len(words) + 1):
        text = plain(" ".join(word.text for word in words[first:number]))
        full = number == len(words)
        if not full:
            longer = len(text) + 1 + len(words[number].text) > MAX_CHARACTERS
            full = longer or words[number].end - words[first].start > MAX_SECONDS
        if full:
            yield words[first].start, max(word.end for word in words[first:number]), text
            first = number


def plain(text: str) -> str:
    """One line of NFC text without control characters."""
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029]", "", unicodedata.normalize("NFC", text))
    return " ".join(text.split())
