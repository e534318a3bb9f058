"""Tightens the word times of an attention alignment, which stretches words over pauses and gives some no duration."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.span import Span
from shared.domain.speech import Word

LONGEST_WORD = 0.6  # seconds that any word may last …
SECONDS_PER_LETTER = 0.12  # … and more for each letter
SHORTEST_WORD = 0.02  # seconds: the resolution of the alignment


def tighten(words: Sequence[Word], speech: Sequence[Span], within: Span) -> list[Word]:
    """The same words in speech: none lasts over a pause, the starts ascend, and all have a duration inside `within`."""
    heard = [piece for span in speech if (piece := span.clipped(within))] or [within]
    placed = [_placed(word, heard) for word in words]
    step = min(SHORTEST_WORD, within.duration / max(1, len(words)))
    starts = [span.start for span in placed]
    for index in reversed(range(len(starts))):
        starts[index] = min(starts[index], within.end - (len(starts) - index) * step)
    for index in range(len(starts)):
        starts[index] = max(starts[index], within.start if index == 0 else starts[index - 1] + step)
    following = [*starts, within.end][1:]
    return [
        word.model_copy(update={"start": round(start, 3), "end": round(min(max(span.end, start + step), after), 3)})
        for word, span, start, after in zip(words, placed, starts, following, strict=True)
    ]


def _placed(word: Word, speech: Sequence[Span]) -> Span:
    """The part of the word in the span of speech that contains most of it, or the nearest edge of speech."""
    span = max(speech, key=lambda span: (word.overlap(span), -max(span.start - word.end, word.start - span.end)))
    start = min(max(word.start, span.start), span.end)
    limit = start + LONGEST_WORD + SECONDS_PER_LETTER * len(word.text)
    return Span(start=start, end=max(start, min(word.end, span.end, limit)))
