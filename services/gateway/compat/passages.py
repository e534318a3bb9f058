"""Divides a transcript into passages of one speaker: utterances, sentences, paragraphs and captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from shared.domain.emotion import EmotionReading
from shared.domain.speech import Utterance, Word
from shared.domain.transcript import Transcript
from shared.exports.subtitles import clock

SENTENCES_PER_PARAGRAPH = 5
CAPTION_CHARACTERS = 84
SENTENCE_ENDS = (".", "?", "!", "…", "。")


@dataclass(frozen=True, slots=True)
class Passage:
    """Words of one speaker; the speaker is the position in the transcript's list."""

    speaker: int
    words: tuple[Word, ...]
    text: str
    emotion: EmotionReading | None = None

    @property
    def start(self) -> float:
        return round(self.words[0].start, 3)

    @property
    def end(self) -> float:
        return round(max(word.end for word in self.words), 3)

    @property
    def confidence(self) -> float:
        return mean_confidence(self.words)


def mean_confidence(words: Sequence[Word]) -> float:
    """0 if the source gives no confidence: the clients require a number."""
    known = [word.confidence for word in words if word.confidence is not None]
    return round(sum(known) / len(known), 4) if known else 0.0


def utterances(transcript: Transcript, *, start: float = 0.0, end: float = float("inf")) -> list[Passage]:
    """The utterances with the words that begin between these times."""
    numbers = {speaker.id: number for number, speaker in enumerate(transcript.speakers)}
    return [
        Passage(
            numbers[utterance.speaker],
            words,
            utterance.text if words == utterance.words else _joined(words),
            utterance.emotion,
        )
        for utterance in transcript.utterances
        if (words := _within(utterance, start, end))
    ]


def _within(utterance: Utterance, start: float, end: float) -> tuple[Word, ...]:
    return tuple(word for word in utterance.words if start <= word.start < end)


def sentences(passages: Sequence[Passage]) -> list[Passage]:
    return _divided(passages, lambda words: words[-1].text.endswith(SENTENCE_ENDS))


def paragraphs(passages: Sequence[Passage]) -> list[Passage]:
    found: list[Passage] = []
    for speaker, group in groupby(sentences(passages), key=lambda passage: passage.speaker):
        own = list(group)
        for first in range(0, len(own), SENTENCES_PER_PARAGRAPH):
            words = tuple(word for one in own[first : first + SENTENCES_PER_PARAGRAPH] for word in one.words)
            found.append(Passage(speaker, words, _joined(words)))
    return found


def split_at_pauses(passages: Sequence[Passage], seconds: float) -> list[Passage]:
    found: list[Passage] = []
    for passage in passages:
        first = 0
        for number, word in enumerate(passage.words, start=1):
            ends = number == len(passage.words) or passage.words[number].start - word.end >= seconds
            if ends:
                words = passage.words[first:number]
                text = passage.text if words == passage.words else _joined(words)
                found.append(Passage(passage.speaker, words, text, passage.emotion))
                first = number
    return found


def _divided(passages: Sequence[Passage], is_full: Callable[[Sequence[Word]], bool]) -> list[Passage]:
    found: list[Passage] = []
    for passage in passages:
        words: list[Word] = []
        for word in passage.words:
            words.append(word)
            if is_full(words):
                found.append(Passage(passage.speaker, tuple(words), _joined(words)))
                words = []
        if words:
            found.append(Passage(passage.speaker, tuple(words), _joined(words)))
    return found


def _joined(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def render_srt(passages: Sequence[Passage], characters: int = CAPTION_CHARACTERS) -> str:
    cues = enumerate(_captions(passages, characters), start=1)
    return "\n".join(f"{number}\n{_times(cue, ',')}\n{cue.text}\n" for number, cue in cues)


def render_vtt(passages: Sequence[Passage], characters: int = CAPTION_CHARACTERS) -> str:
    cues = (f"{_times(cue, '.')}\n{_escaped(cue.text)}" for cue in _captions(passages, characters))
    return "\n\n".join(["WEBVTT", *cues]) + "\n"


def _captions(passages: Sequence[Passage], characters: int) -> Iterator[Passage]:
    for passage in passages:
        first, length = 0, -1
        for number, word in enumerate(passage.words):
            length += 1 + len(word.text)
            if number > first and length > characters:
                words = passage.words[first:number]
                yield Passage(passage.speaker, words, _joined(words))
                first, length = number, len(word.text)
        words = passage.words[first:]
        yield Passage(passage.speaker, words, _joined(words))


def _times(cue: Passage, point: str) -> str:
    return f"{clock(cue.start, point)} --> {clock(cue.end, point)}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
