"""Whose word is it: one sweep over words and turns, the better evidence wins where turns overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.domain.span import Span
from shared.domain.speech import SpeakerTurn, Word

CONTINUITY = 0.25  # how much of a word's length speaks for whoever said the word before
FLICKER_PAUSE = 0.25  # a lone word closer than this to its neighbours on both sides is a jitter of the boundary
DEFAULT_SPEAKER = "S1"  # who speaks when there are words and no turns at all


def assign_speakers(words: Sequence[Word], turns: Sequence[SpeakerTurn]) -> list[Word]:
    """Every word with its speaker; words that their source has named keep that name."""
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
    active: list[SpeakerTurn] = []
    coming = 0
    past: SpeakerTurn | None = None  # the turn that ended last before this word
    speaker: str | None = None
    for word in words:
        while coming < len(turns) and turns[coming].start < word.end:
            active.append(turns[coming])
            coming += 1
        over = [turn for turn in active if turn.end <= word.start]
        past = max((turn for turn in (past, *over) if turn), key=lambda turn: turn.end, default=None)
        active = [turn for turn in active if turn.end > word.start]
        if word.speaker is None:
            following = turns[coming] if coming < len(turns) else None
            speaker = _best(word, active, speaker) or _nearest(word, past, following) or DEFAULT_SPEAKER
            yield _with(word, speaker)
        else:
            speaker = word.speaker
            yield word


def _best(word: Word, active: Sequence[SpeakerTurn], previous: str | None) -> str | None:
    evidence: dict[str, float] = {}
    for turn in active:
        # A word of no length still lies somewhere: it counts as a hundredth of a second.
        overlap = word.overlap(turn) or (0.01 if turn.start <= word.start < turn.end else 0.0)
        if overlap > 0:
            evidence[turn.speaker] = evidence.get(turn.speaker, 0.0) + overlap * (0.1 + turn.confidence)
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
    """The same words, none longer than a word can be said, and none reaching over the silence after it."""
    clipped: list[Word] = []
    place = 0
    for word in words:
        while place < len(speech) and speech[place].end <= word.start:
            place += 1
        end = min(word.end, word.start + 0.6 + 0.12 * len(word.text))
        if place < len(speech) and speech[place].start <= word.start:
            end = min(end, speech[place].end + margin)
        clipped.append(word.model_copy(update={"end": max(word.start, end)}) if end < word.end else word)
    return clipped
