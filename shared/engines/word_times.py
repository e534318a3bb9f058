"""Tightens the word times of an attention alignment, which stretches words over pauses and gives some no duration."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from shared.domain.span import Span
from shared.domain.speech import Word

LONGEST_WORD = 0.6  # seconds that any word may last …
SECONDS_PER_LETTER = 0.12  # … and more for each letter
SHORTEST_WORD = 0.02  # seconds: the resolution of the alignment
EDGE = 0.1  # seconds of silence at both ends of a detected span
TAIL = 0.4  # seconds by which the alignment ends the last word before a pause too early, at most


def tighten(words: Sequence[Word], speech: Sequence[Span], within: Span) -> list[Word]:
    """The words with corrected times: none spans a pause, the starts ascend, and all have a duration in `within`."""
    first = bisect_right(speech, within.start, key=lambda span: span.end)
    nearby = speech[first : bisect_left(speech, within.end, key=lambda span: span.start)]
    heard = [piece for span in nearby if (piece := _without_edges(span).clipped(within))] or [within]
    homes = [max(heard, key=lambda span: _nearness(span, word)) for word in words]
    step = min(SHORTEST_WORD, within.duration / max(1, len(words)))
    starts = [min(max(word.start, home.start), home.end) for word, home in zip(words, homes, strict=True)]
    for index in reversed(range(len(starts))):
        starts[index] = min(starts[index], within.end - (len(starts) - index) * step)
    for index in range(len(starts)):
        starts[index] = max(starts[index], within.start if index == 0 else starts[index - 1] + step)
    following = [*starts, within.end][1:]
    made: list[Word] = []
    for word, home, start, after in zip(words, homes, starts, following, strict=True):
        end = min(word.end, home.end, start + LONGEST_WORD + SECONDS_PER_LETTER * len(word.text))
        if after >= home.end and home.end - TAIL <= end:
            end = home.end
        end = min(max(end, start + step), after)
        made.append(word.model_copy(update={"start": round(start, 3), "end": round(end, 3)}))
    return made


def _without_edges(span: Span) -> Span:
    return Span(start=span.start + EDGE, end=span.end - EDGE) if span.duration > 4 * EDGE else span


def _nearness(span: Span, word: Word) -> tuple[float, float]:
    """How much of the word is in the span, or how near it is."""
    return word.overlap(span), -max(span.start - word.end, word.start - span.end)
