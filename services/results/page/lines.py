"""The utterances of a transcript as a page shows them: with the times of words, and the speakers who overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.domain.emotion import EmotionReading
from shared.domain.speech import Utterance, Word
from shared.domain.transcript import Transcript
from shared.domain.word_alignment import word_positions

DOUBT = 0.5  # words with less confidence are offered for checking
MIN_OVERLAP = 0.1  # seconds; shorter ones are the precision of the times
MAX_NAMED = 8  # a platform transcript may name thousands of speakers who all speak at once


@dataclass(frozen=True, slots=True)
class PageLine:
    utterance: Utterance
    name: str
    lane: int  # the position of the speaker, for its colour
    times: str  # start of each word after the start of the utterance, in hundredths of a second
    offsets: str  # start of each word in the text, in UTF-16 units; empty where words are separated by spaces
    overlaps: str  # names of the speakers who already speak when this utterance begins
    doubts: str  # positions of the words that the recogniser was not sure of
    reading: EmotionReading | None


def lines_of(transcript: Transcript, *, emotion: bool) -> Iterator[PageLine]:
    names = transcript.names
    lanes = {one.id: number for number, one in enumerate(transcript.speakers)}
    for one, overlaps in zip(transcript.utterances, overlaps_of(transcript), strict=True):
        offsets = word_offsets(one.text, one.words)
        yield PageLine(
            utterance=one,
            name=names[one.speaker],
            lane=lanes.get(one.speaker, 0),
            times="" if offsets is None else " ".join(str(round((word.start - one.start) * 100)) for word in one.words),
            offsets=offsets or "",
            overlaps=overlaps,
            doubts=" ".join(
                str(position)
                for position, word in enumerate(one.words)
                if word.confidence is not None and word.confidence < DOUBT
            ),
            reading=one.emotion if emotion else None,
        )


def overlaps_of(transcript: Transcript) -> Iterator[str]:
    """For each utterance, the names of the speakers who already speak when it begins."""
    names = transcript.names
    open_until: dict[str, float] = {}
    for one in transcript.utterances:
        yield ", ".join(names[speaker] for speaker in _already_speaking(open_until, one))
        open_until[one.speaker] = max(open_until.get(one.speaker, 0.0), one.end)


def _already_speaking(open_until: dict[str, float], utterance: Utterance) -> list[str]:
    """The first speakers whose utterances continue; those that have ended are removed, as later ones begin later."""
    found: list[str] = []
    ended: list[str] = []
    for speaker, end in open_until.items():
        if end - utterance.start <= MIN_OVERLAP:
            ended.append(speaker)
        elif speaker != utterance.speaker:
            found.append(speaker)
        if len(found) == MAX_NAMED:
            break
    for speaker in ended:
        del open_until[speaker]
    return found


def word_offsets(text: str, words: Sequence[Word]) -> str | None:
    """The positions of words that are not simply the parts between spaces; None if one is not in the text."""
    if [word.text for word in words] == text.split():
        return ""
    places = word_positions(text, words)
    if places is None:
        return None
    found, edge, units = [], 0, 0
    for place in places:
        units += len(text[edge:place].encode("utf-16-le")) // 2
        found.append(str(units))
        edge = place
    return " ".join(found)
