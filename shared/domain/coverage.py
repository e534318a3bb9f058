"""Finds detected speech in which a recogniser found no words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.domain.span import Span, union

LONGEST_GAP = 1.5  # seconds of speech without a word that are still normal: a hesitation, a laugh


def speech_without_words(speech: Sequence[Span], words: Sequence[Span]) -> tuple[Span, ...]:
    """The stretches of speech longer than `LONGEST_GAP` without a word."""
    return tuple(gap for gap in uncovered(speech, words) if gap.duration > LONGEST_GAP)


def uncovered(speech: Sequence[Span], words: Sequence[Span]) -> Iterator[Span]:
    """All stretches of speech without a word."""
    spoken = union(words)
    first = 0
    for span in speech:
        while first < len(spoken) and spoken[first].end <= span.start:
            first += 1
        start, index = span.start, first
        while index < len(spoken) and spoken[index].start < span.end:
            if spoken[index].start > start:
                yield Span(start=start, end=spoken[index].start)
            start = spoken[index].end
            index += 1
        if start < span.end:
            yield Span(start=start, end=span.end)
