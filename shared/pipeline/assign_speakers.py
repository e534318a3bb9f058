"""Assigns words to speakers in one sweep over words and turns; where turns overlap, the stronger evidence decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush

from shared.domain.span import Span
from shared.domain.speech import SpeakerTurn, Word

CONTINUITY = 0.25  # share of a word's duration that counts as evidence for the previous speaker
FLICKER_PAUSE = 0.25  # seconds; a single word with shorter pauses on both sides is boundary jitter
DEFAULT_SPEAKER = "S1"  # the speaker of words if there are no turns


def assign_speakers(words: Sequence[Word], turns: Sequence[SpeakerTurn]) -> list[Word]:
    """Every word with its speaker; words whose source names a speaker keep it."""
    named = list(_sweep(words, sorted(turns, key=lambda turn: turn.start)))
    return [
        _with(word, before.speaker) if _flickers(before, word, after, raw) else word
        for before, word, after, raw in zip(
            [named[0], *named[:-1]] if named else [],
            named,
            [*named[1:], named[-1]] if named else [],
            words,
            strict=True,
        )
    ]


def _sweep(words: Sequence[Word], turns: Sequence[SpeakerTurn]) -> Iterator[Word]:
    active: dict[int, SpeakerTurn] = {}  # in order of start; as many as speakers that speak at the same time
    ends: list[tuple[float, int]] = []  # a heap
    upcoming = 0
    past: SpeakerTurn | None = None  # the turn that ended last before this word
    speaker: str | None = None
    for word in words:
        while upcoming < len(turns) and turns[upcoming].start < word.end:
            active[upcoming] = turns[upcoming]
            heappush(ends, (turns[upcoming].end, upcoming))
            upcoming += 1
        while ends and ends[0][0] <= word.start:
            ended = active.pop(heappop(ends)[1])
            past = ended if past is None or ended.end > past.end else past
        if word.speaker is None:
            following = turns[upcoming] if upcoming < len(turns) else None
            speaker = _best(word, active.values(), speaker) or _nearest(word, past, following) or DEFAULT_SPEAKER
            yield _with(word, speaker)
        else:
            speaker = word.speaker
            yield word


def _best(word: Word, active: Iterable[SpeakerTurn], previous: str | None) -> str | None:
    evidence: dict[str, float] = {}
    for turn in active:
        # A word without duration counts as a hundredth of a second.
        overlap = word.overlap(turn) or (0.01 if turn.start <= word.start < turn.end else 0.0)
        confidence = 1.0 if turn.confidence is None else turn.confidence
        if overlap > 0:
            evidence[turn.speaker] = evidence.get(turn.speaker, 0.0) + overlap * (0.1 + confidence)
    if previous in evidence:
        evidence[previous] += CONTINUITY * word.duration
    return max(evidence, key=lambda speaker: evidence[speaker], default=None)


def _nearest(word: Word, past: SpeakerTurn | None, following: SpeakerTurn | None) -> str | None:
    near = [(word.start - past.end, past.speaker)] if past else []
    near += [(following.start - word.end, following.speaker)] if following else []
    return min(near)[1] if near else None


def _flickers(before: Word, word: Word, after: Word, raw: Word) -> bool:
    return (
        raw.speaker is None
        and before.speaker == after.speaker != word.speaker
        and word.start - before.end < FLICKER_PAUSE
        and after.start - word.end < FLICKER_PAUSE
    )


def _with(word: Word, speaker: str | None) -> Word:
    return word.model_copy(update={"speaker": speaker})


def within_speech(words: Sequence[Word], speech: Sequence[Span], *, margin: float = 0.15) -> list[Word]:
    """The same words, shortened to a plausible duration and to the end of their speech span."""
    clipped: list[Word] = []
    index = 0
    for word in words:
        while index < len(speech) and speech[index].end <= word.start:
            index += 1
        end = min(word.end, word.start + 0.6 + 0.12 * len(word.text))
        if index < len(speech) and speech[index].start <= word.start:
            end = min(end, speech[index].end + margin)
        clipped.append(word.model_copy(update={"end": max(word.start, end)}) if end < word.end else word)
    return clipped
