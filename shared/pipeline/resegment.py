"""Resegmentation: turns from window similarities, decided every tenth of a second with a cost for each change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from shared.domain.span import Span
from shared.domain.speech import SpeakerTurn
from shared.ports.media import Floats

STEP = 0.1  # seconds per decision
CHANGE = 0.5  # cost of a speaker change, in total similarity


@dataclass(frozen=True, slots=True)
class Window:
    """One window of speech with its cosine similarity to each voice."""

    span: Span
    similarity: Floats  # (voice,)


@dataclass(frozen=True, slots=True)
class VoiceTurn:
    """One turn of a voice, identified by number."""

    voice: int
    span: Span
    confidence: float


def turns_of(windows: Sequence[Window], speech: Sequence[Span]) -> list[SpeakerTurn]:
    """The turns, with speakers named S1, S2, … in the order in which they first speak."""
    return named(voice_turns(windows, speech))


def named(turns: Sequence[VoiceTurn]) -> list[SpeakerTurn]:
    names: dict[int, str] = {}
    return [
        SpeakerTurn(
            start=turn.span.start,
            end=turn.span.end,
            speaker=names.setdefault(turn.voice, f"S{len(names) + 1}"),
            confidence=turn.confidence,
        )
        for turn in turns
    ]


def voice_turns(windows: Sequence[Window], speech: Sequence[Span]) -> list[VoiceTurn]:
    turns: list[VoiceTurn] = []
    ordered = sorted(windows, key=lambda window: window.span.start)
    first = 0
    for stretch in speech:
        while first < len(ordered) and ordered[first].span.end <= stretch.start:
            first += 1
        last = first
        while last < len(ordered) and ordered[last].span.start < stretch.end:
            last += 1
        if first == last:
            continue
        turns += _turns_in(stretch, ordered[first:last])
        first = last
    return turns


def _turns_in(stretch: Span, windows: Sequence[Window]) -> list[VoiceTurn]:
    scores = frame_scores(stretch, windows)
    path = cheapest_path(scores)
    edges = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    found: list[VoiceTurn] = []
    for begin, end in pairwise(edges):
        voice = int(path[begin])
        until = stretch.end if end == len(path) else min(stretch.end, stretch.start + end * STEP)
        span = Span(start=stretch.start + begin * STEP, end=until)
        found.append(VoiceTurn(voice, span, turn_confidence(scores[begin:end], voice)))
    return found


def frame_scores(stretch: Span, windows: Sequence[Window]) -> Floats:  # (frame, voice)
    """The weighted mean similarity of the windows over each frame; windows centred on the frame weigh most."""
    frames = max(1, round(stretch.duration / STEP))
    times = stretch.start + (np.arange(frames) + 0.5) * STEP
    total = np.zeros((frames, len(windows[0].similarity)), dtype=np.float32)
    weight = np.zeros(frames, dtype=np.float32)
    for window in windows:
        near = np.maximum(1e-4, 1.0 - np.abs(times - window.span.middle) / (window.span.duration / 2 + STEP))
        inside = (times > window.span.start - STEP) & (times < window.span.end + STEP)
        near = np.where(inside, near**2, 0.0).astype(np.float32)
        total += near[:, None] * window.similarity[None]
        weight += near
    bare = weight == 0
    if bare.any():  # frames without a window use the scores of the nearest frame
        known = np.flatnonzero(~bare)
        nearest = known[np.abs(np.flatnonzero(bare)[:, None] - known[None]).argmin(axis=1)]
        total[bare], weight[bare] = total[nearest], weight[nearest]
    scores: Floats = total / weight[:, None]
    return scores


def cheapest_path(scores: Floats) -> npt.NDArray[np.int64]:  # (frame,)
    """Viterbi: the sequence of voices with the highest total similarity minus the cost of changes."""
    frames, voices = scores.shape
    best = scores[0].astype(np.float64)
    back = np.zeros((frames, voices), dtype=np.int64)
    for frame in range(1, frames):
        leader = int(best.argmax())
        change = best[leader] - CHANGE > best
        back[frame] = np.where(change, leader, np.arange(voices))
        best = np.where(change, best[leader] - CHANGE, best) + scores[frame]
    path = np.zeros(frames, dtype=np.int64)
    path[-1] = int(best.argmax())
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = back[frame, path[frame]]
    return path


def turn_confidence(scores: Floats, voice: int) -> float:
    """Confidence from the margin to the next best voice, 0 to 1; 1 if there is only one voice."""
    mean = scores.mean(axis=0)
    if len(mean) == 1:
        return 1.0
    next_best = float(np.delete(mean, voice).max())
    return round(float(np.clip(0.5 + 2.0 * (float(mean[voice]) - next_best), 0.0, 1.0)), 3)
