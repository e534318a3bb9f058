"""Aligns corrected text with word times: unchanged words keep theirs, new words share those of the replaced words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from shared.domain.span import Span
from shared.domain.speech import Word


def align_words(words: Sequence[Word], text: str, within: Span) -> tuple[Word, ...]:
    """The words of the new text with times; empty if the utterance has no word times to derive them from."""
    if not words:
        return ()
    tokens = text.split()
    matcher = SequenceMatcher(None, [word.text for word in words], tokens, autojunk=False)
    made: list[Word] = []
    for same, first, last, new_first, new_last in _matching_blocks(matcher):
        if same:
            made += words[first:last]
        else:
            start = words[first].start if first < last else words[first - 1].end if first else within.start
            end = words[last - 1].end if first < last else words[first].start if first < len(words) else within.end
            made += _spread(tokens[new_first:new_last], start, max(start, end), words[0].speaker)
    return tuple(made)


def _matching_blocks(matcher: SequenceMatcher[str]) -> Iterator[tuple[bool, int, int, int, int]]:
    for tag, first, last, new_first, new_last in matcher.get_opcodes():
        yield tag == "equal", first, last, new_first, new_last


def _spread(tokens: Sequence[str], start: float, end: float, speaker: str | None) -> Iterator[Word]:
    """Words evenly spaced over the interval; they were not recognised, so they have no confidence."""
    step = (end - start) / max(1, len(tokens))
    for number, token in enumerate(tokens):
        last = end if number == len(tokens) - 1 else start + (number + 1) * step
        yield Word(text=token, start=start + number * step, end=last, speaker=speaker)
