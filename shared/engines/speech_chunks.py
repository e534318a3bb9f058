"""Splits speech into chunks for a recogniser: at pauses if there are any, else at the quietest point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from shared.domain.span import Span
from shared.ports.media import SAMPLE_RATE, Audio

WINDOW = SAMPLE_RATE // 20  # 50 ms: the unit of the search for quiet points


def chunk_speech(audio: Audio, speech: Sequence[Span], *, max_seconds: float, bridge: float) -> Iterator[Span]:
    """Join spans less than `bridge` apart up to `max_seconds`, and cut longer ones."""
    current: Span | None = None
    for span in speech:
        if current is None:
            current = span
        elif span.start - current.end <= bridge and span.end - current.start <= max_seconds:
            current = Span(start=current.start, end=span.end)
        else:
            yield from _cut(audio, current, max_seconds)
            current = span
    if current is not None:
        yield from _cut(audio, current, max_seconds)


def _cut(audio: Audio, span: Span, max_seconds: float) -> Iterator[Span]:
    while span.duration > max_seconds:
        middle = _quietest(audio, Span(start=span.start + max_seconds / 2, end=span.start + max_seconds))
        yield Span(start=span.start, end=middle)
        span = Span(start=middle, end=span.end)
    yield span


def _quietest(audio: Audio, within: Span) -> float:
    samples = np.asarray(audio.cut(within).samples)
    windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    if len(windows) == 0:
        return within.end
    return within.start + (float(np.square(windows).mean(axis=1).argmin()) + 0.5) * WINDOW / SAMPLE_RATE
