"""What a segmenter adds: windows of one voice alone, turns trimmed to speech, a second voice where two talk at once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from shared.domain.span import Span, union
from shared.pipeline.resegment import STEP, VoiceTurn, Window, frame_scores, turn_confidence
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import Floats

# Tuned on the AMI clips and on simulated meetings, other ones than the benchmark's (ADR 19): at one half three points
# more of simulated pauses would be trimmed, and three points more of far speakers missed.
SPEECH, SPEECH_ENDS = 0.2, 0.1  # speech begins above the first and lasts until below the second
OVERLAP, OVERLAP_ENDS = 0.5, 0.4
PAUSE = 0.3  # seconds of silence that are still the same turn
MIN_OVERLAP = 0.2  # seconds; a shorter one is a change of speaker
NEIGHBOURHOOD = 10.0  # seconds before and after in which a second voice must hold the floor itself
MIN_SINGLE_VOICE_SHARE = (
    0.8  # share of what is said in a window that one voice must say, if the window is to count voices
)
SURE = 0.5  # a voice that speaks with less probability is not said to speak
CLEARER = 0.02  # such windows of one voice are so much more alike than windows in which another may be heard as well


def single_voice_windows(windows: Sequence[Span], heard: Segmentation) -> npt.NDArray[np.bool_]:  # (window,)
    """Windows of one voice: what two voices say, one after the other or at once, would be taken for a third."""
    if not heard.local:
        return np.ones(len(windows), dtype=bool)
    middles = [voices.start + len(voices.active) * heard.step / 2 for voices in heard.local]
    return np.array(
        [_share(window, _nearest(window, middles, heard), heard.step) >= MIN_SINGLE_VOICE_SHARE for window in windows]
    )


def _nearest(window: Span, middles: Sequence[float], heard: Segmentation) -> LocalSpeakers:
    """The segmenter's own window that heard most of what lies around this one."""
    middle = (window.start + window.end) / 2
    after = bisect_left(middles, middle)
    return heard.local[min((max(0, after - 1), min(after, len(middles) - 1)), key=lambda at: abs(middles[at] - middle))]


def _share(window: Span, voices: LocalSpeakers, step: float) -> float:
    """How much of it one voice says; a window in which the segmenter is sure of nobody may be anybody's alone."""
    first = max(0, int((window.start - voices.start) / step))
    said = (voices.active[first : int(np.ceil((window.end - voices.start) / step))] > SURE).sum(axis=0)
    return float(said.max() / said.sum()) if said.any() else 1.0


def apply_segmentation(turns: Sequence[VoiceTurn], windows: Sequence[Window], heard: Segmentation) -> list[VoiceTurn]:
    """The same voices with the segmenter's edges; voices may now overlap."""
    spoken = union(spans_above_threshold(heard.speech, heard, SPEECH, SPEECH_ENDS), gap=PAUSE)
    double = [
        span
        for span in spans_above_threshold(heard.overlap, heard, OVERLAP, OVERLAP_ENDS)
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


def spans_above_threshold(probability: Floats, heard: Segmentation, enter: float, leave: float) -> list[Span]:
    """Where a probability is high, with hysteresis."""
    found: list[Span] = []
    begun: int | None = None
    for number, value in enumerate(np.append(probability, np.float32(0.0))):
        if begun is None and value >= enter:
            begun = number
        elif begun is not None and value < leave:
            found.append(Span(start=heard.start + begun * heard.step, end=heard.start + number * heard.step))
            begun = None
    return found


def _second_voices(
    turns: Sequence[VoiceTurn], windows: Sequence[Window], double: Sequence[Span]
) -> Iterator[VoiceTurn]:
    """In every overlapped part of a turn the likeliest of the other voices around it."""
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
    """Turns come in order and, before the second voices, one after the other."""
    first = bisect_right(turns, part.start - NEIGHBOURHOOD, key=lambda turn: turn.span.end)
    last = bisect_left(turns, part.end + NEIGHBOURHOOD, key=lambda turn: turn.span.start)
    return {turn.voice for turn in turns[first:last]}


def _parts(span: Span, of: Sequence[Span]) -> list[Span]:
    """What a span shares with others that are in order and apart."""
    first = bisect_right(of, span.start, key=lambda one: one.end)
    last = bisect_left(of, span.end, key=lambda one: one.start)
    return [part for one in of[first:last] if (part := span.clipped(one)) is not None]


def merge_turns(turns: Sequence[VoiceTurn]) -> list[VoiceTurn]:
    """Turns of one voice that touch become one, as sure as its parts were on the whole; in order of time."""
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
