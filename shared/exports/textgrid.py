"""The text format of Praat's TextGrid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

MIN_GAP = 1e-5  # seconds
Interval = tuple[float, float, str]  # start, end, label


def textgrid_lines(tiers: Mapping[str, Sequence[Interval]], duration: float) -> Iterator[str]:
    """The lines of a file whose interval tiers have these labels; labelled intervals are in order and disjoint."""
    yield 'File type = "ooTextFile"'
    yield 'Object class = "TextGrid"'
    yield ""
    yield from _times(0, duration)
    yield "tiers? <exists>"
    yield f"size = {len(tiers)}"
    yield "item []:"
    for number, (name, labelled) in enumerate(tiers.items(), start=1):
        intervals = list(_without_gaps(labelled, duration))
        yield f"item [{number}]:"
        yield 'class = "IntervalTier"'
        yield f"name = {_quoted(name)}"
        yield from _times(0, duration)
        yield f"intervals: size = {len(intervals)}"
        for position, (start, end, label) in enumerate(intervals, start=1):
            yield f"intervals [{position}]:"
            yield from _times(start, end)
            yield f"text = {_quoted(label)}"


def _times(start: float, end: float) -> Iterator[str]:
    yield f"xmin = {start:.6f}"
    yield f"xmax = {end:.6f}"


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""'))


def _without_gaps(labelled: Sequence[Interval], duration: float) -> Iterator[Interval]:
    """A tier covers the whole recording, so unlabelled intervals fill its gaps, except those that are rounded away."""
    edge = 0.0
    for start, end, label in labelled:
        gap = start - edge >= MIN_GAP
        if gap:
            yield edge, start, ""
        yield start if gap else edge, end, label
        edge = end
    if duration - edge >= MIN_GAP:
        yield edge, duration, ""
