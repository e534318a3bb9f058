"""Removes crosstalk: speech of another participant that is recorded in a track."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from shared.domain.span import Span
from shared.ports.media import Audio

PIECE = 0.5  # seconds per decision
CROSSTALK = 10 ** (-12 / 20)  # level ratio (-12 dB) below which speech belongs to the louder track


def without_crosstalk(span: Span, audio: Audio, others: Sequence[Audio]) -> Iterator[Span]:
    """The parts of the span in which no other track is much louder."""
    begun: float | None = None
    count = max(1, round(span.duration / PIECE))
    edges = np.linspace(span.start, span.end, count + 1).tolist()
    for start, end in pairwise(edges):
        piece = Span(start=start, end=end)
        mine = _level(audio, piece) >= CROSSTALK * max((_level(other, piece) for other in others), default=0.0)
        if mine and begun is None:
            begun = start
        elif not mine and begun is not None:
            yield Span(start=begun, end=start)
            begun = None
    if begun is not None:
        yield Span(start=begun, end=span.end)


def _level(audio: Audio, piece: Span) -> float:
    samples = np.asarray(audio.cut(piece).samples)
    level = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    audio.release()
    return level
