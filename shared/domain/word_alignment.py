"""Relates words to text: where they are in it, and which times the words of a corrected text have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile

from shared.domain.span import Span
from shared.domain.speech import Word

# The comparison takes cubic time in the worst case. Utterances have at most 15 seconds, so about 50 words.
MAX_COMPARED = 100


def word_positions(text: str, words: Sequence[Word]) -> list[int] | None:
    """Where each word begins in the text; None if one is not in it."""
    found, edge = [], 0
    for word in words:
        position = text.find(word.text, edge)
        if position < 0:
            return None
        found.append(position)
        edge = position + len(word.text)
    return found


def align_words(words: Sequence[Word], text: str, within: Span) -> tuple[Word, ...]:
    """The words of the new text with times; empty if the utterance has no word times to derive them from."""
    if not words:
        return ()
    tokens = text.split()
    made: list[Word] = []
    for same, first, last, new_first, new_last in _blocks([word.text for word in words], tokens):
        if same:
            made += words[first:last]
        else:
            start = words[first].start if first < last else words[first - 1].end if first else within.start
            end = words[last - 1].end if first < last else words[first].start if first < len(words) else within.end
            made += _spread(tokens[new_first:new_last], start, max(start, end), words[0].speaker)
    return tuple(made)


def _blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[bool, int, int, int, int]]:
    """Equal and replaced ranges; a replaced part of too many words is one range."""
    start = _equal(zip(old, new, strict=False))
    end = _equal(zip(reversed(old[start:]), reversed(new[start:]), strict=False))
    last, new_last = len(old) - end, len(new) - end
    yield True, 0, start, 0, start
    if max(last, new_last) - start > MAX_COMPARED:
        yield False, start, last, start, new_last
    else:
        matcher = SequenceMatcher(None, old[start:last], new[start:new_last], autojunk=False)
        for tag, first, after, new_first, new_after in matcher.get_opcodes():
            yield tag == "equal", start + first, start + after, start + new_first, start + new_after
    yield True, last, len(old), new_last, len(new)


def _equal(pairs: Iterable[tuple[str, str]]) -> int:
    """The number of equal pairs before the first difference."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _spread(tokens: Sequence[str], start: float, end: float, speaker: str | None) -> Iterator[Word]:
    """Words evenly spaced over the interval; they were not recognised, so they have no confidence."""
    step = (end - start) / max(1, len(tokens))
    for number, token in enumerate(tokens):
        last = end if number == len(tokens) - 1 else start + (number + 1) * step
        yield Word(text=token, start=start + number * step, end=last, speaker=speaker)
