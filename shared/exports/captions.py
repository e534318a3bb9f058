"""Splits utterances into captions of at most two lines, each with its speaker."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.domain.emotion import EmotionReading
from shared.domain.normalisation import nfc
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
    names = transcript.names
    for utterance in transcript.utterances:
        for start, end, text in _pieces(utterance):
            yield Caption(
                start=start,
                end=max(end, start),
                speaker=names[utterance.speaker],
                text=text,
                emotion=utterance.emotion if emotion else None,
            )


def _pieces(utterance: Utterance) -> Iterator[tuple[float, float, str]]:
    """Split by words if they still match the text; a corrected utterance stays in one piece."""
    words = utterance.words
    if plain(" ".join(word.text for word in words)) != plain(utterance.text):
        yield utterance.start, utterance.end, plain(utterance.text)
        return
    first, length = 0, 0
    for number, word in enumerate(words, start=1):
        length += len(plain(word.text)) + 1
        full = number == len(words)
        if not full:
            longer = length + len(words[number].text) > MAX_CHARACTERS
            full = longer or words[number].end - words[first].start > MAX_SECONDS
        if full:
            piece = words[first:number]
            yield piece[0].start, max(word.end for word in piece), plain(" ".join(word.text for word in piece))
            first, length = number, 0


def plain(text: str) -> str:
    """One line of NFC text without control characters and others that XML forbids."""
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\ufffe\uffff]", "", nfc(text))
    return " ".join(text.split())
