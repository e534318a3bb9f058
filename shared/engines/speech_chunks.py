"""Splits speech into chunks for a recogniser: at the longest pauses if there are any, else at the quietest point."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from shared.domain.span import Span
from shared.ports.media import SAMPLE_RATE, Audio

WINDOW = SAMPLE_RATE // 20  # 50 ms: the unit of the search for quiet points
QUIET = 5  # windows that must be quiet together: a single one can be inside a word
SHORTEST = 0.6  # share of the maximum length before which a chunk is not cut


def chunk_speech(audio: Audio, speech: Sequence[Span], *, max_seconds: float, bridge: float) -> Iterator[Span]:
    """Join spans at most `bridge` apart, and cut what is longer than `max_seconds`."""
    joined: list[Span] = []
    for span in speech:
        if joined and span.start - joined[-1].end > bridge:
            yield from _cut(audio, joined, max_seconds)
            joined = []
        joined.append(span)
    if joined:
        yield from _cut(audio, joined, max_seconds)


def _cut(audio: Audio, spans: Sequence[Span], max_seconds: float) -> Iterator[Span]:
    start, end = spans[0].start, spans[-1].end
    pauses = [Span(start=before.end, end=after.start) for before, after in pairwise(spans)]
    while end - start > max_seconds:
        earliest, latest = start + SHORTEST * max_seconds, start + max_seconds
        first, after = (bisect_right(pauses, time, key=lambda pause: pause.start) for time in (start, latest))
        reached = pauses[first:after]
        late = [pause for pause in reached if pause.start >= earliest]
        if reached:
            pause = max(late, key=lambda pause: pause.duration) if late else reached[-1]
        else:
            quietest = _quietest(audio, Span(start=earliest, end=latest))
            pause = Span(start=quietest, end=quietest)
        yield Span(start=start, end=pause.start)
        start = pause.end
    yield Span(start=start, end=end)


def _quietest(audio: Audio, within: Span) -> float:
    samples = np.asarray(audio.cut(within).samples)
    windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    if len(windows) < QUIET:
        return within.end
    levels = np.convolve(np.square(windows).mean(axis=1), np.ones(QUIET), mode="valid")
    return within.start + (float(levels.argmin()) + QUIET / 2) * WINDOW / SAMPLE_RATE
