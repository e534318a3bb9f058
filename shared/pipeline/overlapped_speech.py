"""Applies a segmenter: selects single-voice windows, trims turns to speech, and adds overlapping second voices."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from shared.domain.span import Span, union
from shared.pipeline.resegment import STEP, VoiceTurn, Window, frame_scores, turn_confidence
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import Floats

# Tuned on the AMI clips and on simulated meetings that are not in the benchmark (ADR 19): with 0.5, three points more
# of simulated pauses would be trimmed, and three points more of far speakers missed.
SPEECH, SPEECH_ENDS = 0.2, 0.1  # speech starts above the first and ends below the second
OVERLAP, OVERLAP_ENDS = 0.5, 0.4
PAUSE = 0.3  # seconds; a shorter silence does not split a turn
MIN_OVERLAP = 0.2  # seconds; a shorter overlap is a change of speaker
NEIGHBOURHOOD = 10.0  # seconds before and after in which the second voice must have a turn
MIN_SINGLE_VOICE_SHARE = 0.8  # minimum share of one voice in the speech of a window that is used for clustering
SURE = 0.5  # minimum probability of a voice to count as speaking
CLEARER = 0.02  # how much more similar single-voice windows are than windows that may contain a second voice


def single_voice_windows(windows: Sequence[Span], segmentation: Segmentation) -> npt.NDArray[np.bool_]:  # (window,)
    """Marks windows with a single voice; a window with two voices would be clustered as a third voice."""
    if not segmentation.local:
        return np.ones(len(windows), dtype=bool)
    middles = [voices.start + len(voices.active) * segmentation.step / 2 for voices in segmentation.local]
    return np.array(
        [
            _share(window, _nearest(window, middles, segmentation), segmentation.step) >= MIN_SINGLE_VOICE_SHARE
            for window in windows
        ]
    )


def _nearest(window: Span, middles: Sequence[float], segmentation: Segmentation) -> LocalSpeakers:
    """The segmenter's window whose centre is nearest to this window."""
    middle = (window.start + window.end) / 2
    after = bisect_left(middles, middle)
    return segmentation.local[
        min((max(0, after - 1), min(after, len(middles) - 1)), key=lambda at: abs(middles[at] - middle))
    ]


def _share(window: Span, voices: LocalSpeakers, step: float) -> float:
    """The share of the main voice in the speech of a window; 1 if no voice is active."""
    first = max(0, int((window.start - voices.start) / step))
    active = (voices.active[first : int(np.ceil((window.end - voices.start) / step))] > SURE).sum(axis=0)
    return float(active.max() / active.sum()) if active.any() else 1.0


def apply_segmentation(
    turns: Sequence[VoiceTurn], windows: Sequence[Window], segmentation: Segmentation
) -> list[VoiceTurn]:
    """The turns with the segmenter's boundaries; turns of different voices may overlap."""
    spoken = union(spans_above_threshold(segmentation.speech, segmentation, SPEECH, SPEECH_ENDS), gap=PAUSE)
    double = [
        span
        for span in spans_above_threshold(segmentation.overlap, segmentation, OVERLAP, OVERLAP_ENDS)
        if span.duration >= MIN_OVERLAP
    ]
    seconds = _second_voices(turns, windows, double)
    trimmed = [
        VoiceTurn(turn.voice, part, turn.confidence)
        for turn in turns
        for part in _parts(turn.span, spoken)
        if part.duration >= STEP / 2
    ]
    return merge_turns([*trimmed, *seconds])


def spans_above_threshold(probability: Floats, segmentation: Segmentation, enter: float, leave: float) -> list[Span]:
    """The spans in which the probability is high, with hysteresis."""
    found: list[Span] = []
    begun: int | None = None
    for number, value in enumerate(np.append(probability, np.float32(0.0))):
        if begun is None and value >= enter:
            begun = number
        elif begun is not None and value < leave:
            found.append(
                Span(
                    start=segmentation.start + begun * segmentation.step,
                    end=segmentation.start + number * segmentation.step,
                )
            )
            begun = None
    return found


def _second_voices(
    turns: Sequence[VoiceTurn], windows: Sequence[Window], double: Sequence[Span]
) -> Iterator[VoiceTurn]:
    """For every overlapped part of a turn, a turn of the most likely other voice nearby."""
    ordered = sorted(windows, key=lambda window: window.span.start)
    longest = max((window.span.duration for window in windows), default=0.0)
    for turn in turns:
        for part in _parts(turn.span, double):
            others = _voices_around(turns, part) - {turn.voice}
            first = bisect_left(ordered, part.start - longest, key=lambda window: window.span.start)
            last = bisect_left(ordered, part.end, key=lambda window: window.span.start)
            covering = [window for window in ordered[first:last] if window.span.overlap(part) > 0]
            if others and covering:
                scores = frame_scores(part, covering)
                mean = scores.mean(axis=0)
                second = max(sorted(others), key=lambda voice: float(mean[voice]))
                yield VoiceTurn(second, part, turn_confidence(scores, second))


def _voices_around(turns: Sequence[VoiceTurn], part: Span) -> set[int]:
    """The voices with a turn near the part; the turns are sorted and do not overlap."""
    first = bisect_right(turns, part.start - NEIGHBOURHOOD, key=lambda turn: turn.span.end)
    last = bisect_left(turns, part.end + NEIGHBOURHOOD, key=lambda turn: turn.span.start)
    return {turn.voice for turn in turns[first:last]}


def _parts(span: Span, of: Sequence[Span]) -> list[Span]:
    """The intersections of a span with sorted, disjoint spans."""
    first = bisect_right(of, span.start, key=lambda one: one.end)
    last = bisect_left(of, span.end, key=lambda one: one.start)
    return [part for one in of[first:last] if (part := span.clipped(one)) is not None]


def merge_turns(turns: Sequence[VoiceTurn]) -> list[VoiceTurn]:
    """Join adjacent turns of the same voice, with the weighted mean of their confidences; sorted by time."""
    found: list[VoiceTurn] = []
    for voice in sorted({turn.voice for turn in turns}):
        current: VoiceTurn | None = None
        for turn in sorted((turn for turn in turns if turn.voice == voice), key=lambda turn: turn.span.start):
            if current is not None and turn.span.start <= current.span.end + STEP:
                current = _both(current, turn)
                continue
            found += [current] if current else []
            current = turn
        found += [current] if current else []
    return sorted(found, key=lambda turn: (turn.span.start, turn.voice))


def _both(one: VoiceTurn, other: VoiceTurn) -> VoiceTurn:
    span = Span(start=one.span.start, end=max(one.span.end, other.span.end))
    weights = one.span.duration, other.span.duration
    confidence = (one.confidence * weights[0] + other.confidence * weights[1]) / sum(weights)
    return VoiceTurn(one.voice, span, round(confidence, 3))
