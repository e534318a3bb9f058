"""Speaker turns: the local voices of all windows vote for the speakers of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt

from shared.domain.span import Span
from shared.domain.speech import SpeakerTurn
from shared.pipeline.local_speech import SPEAKS, Piece
from shared.ports.engines import Segmentation
from shared.ports.media import Floats

SPEECH = 0.65  # mean activity of a frame that is speech
FAINT = 0.05  # the same within a span of the speech detector
EDGES = 0.15, 0.2  # seconds at the start and the end of these spans that are padding
SHARPNESS = 10.0  # of the votes; a second of speech with a similarity higher by 0.1 gets 2.7 times the votes
MIN_SECONDS, MAX_SECONDS = 0.2, 1.6  # range of the speech that a vote is based on
PAUSE = 0.4  # seconds; a shorter silence does not split a turn
MIN_TURN = 0.1


def vote(
    segmentation: Segmentation, pieces: Sequence[Piece], similarity: Floats
) -> tuple[Floats, Floats, Floats]:  # (frame, speaker), (frame,), (frame,)
    """The votes for every speaker, the activity of the loudest voice, and the number of voices of each frame.

    Windows overlap; frames in the middle of a window have context on both sides and count most.
    """
    frames = segmentation.frames
    votes = np.zeros((frames, similarity.shape[1]), dtype=np.float32)
    activity, voices, weight = (np.zeros(frames, dtype=np.float32) for _ in range(3))
    shares = _shares(pieces, similarity, segmentation.step)
    by_window = {number: list(group) for number, group in groupby(range(len(pieces)), lambda at: pieces[at].window)}
    for number, window in enumerate(segmentation.windows):
        length = len(window.active)
        positions = (np.arange(length, dtype=np.float32) + 0.5) / length
        weights = 0.05 + np.minimum(positions, 1 - positions)
        rows = slice(window.first, window.first + length)
        activity[rows] += weights * window.active.max(axis=1)
        voices[rows] += weights * (window.active > SPEAKS).sum(axis=1)
        weight[rows] += weights
        mine = np.zeros((length, similarity.shape[1]), dtype=np.float32)
        for voice, of_voice in groupby(by_window.get(number, ()), lambda at: pieces[at].voice):
            numbers = list(of_voice)
            middles = [(pieces[one].end + pieces[two].begin) // 2 for one, two in pairwise(numbers)]
            for at, (begin, end) in zip(numbers, pairwise([0, *middles, length]), strict=True):
                mine[begin:end] = np.maximum(mine[begin:end], window.active[begin:end, voice, None] * shares[at])
        votes[rows] += weights[:, None] * mine
    weight = np.maximum(weight, np.float32(1e-9))  # windows without speech are missing
    return votes / weight[:, None], activity / weight, voices / weight


def _shares(pieces: Sequence[Piece], similarity: Floats, step: float) -> Floats:  # (piece, speaker)
    """How each piece divides its vote: a long piece is surer than a short one."""
    seconds = np.array([len(piece.alone) * step for piece in pieces]).clip(MIN_SECONDS, MAX_SECONDS)
    scores = similarity * (SHARPNESS * seconds[:, None])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def find_turns(
    segmentation: Segmentation,
    pieces: Sequence[Piece],
    similarity: Floats,
    speech: Sequence[Span],
    pauses: npt.NDArray[np.bool_],
) -> list[SpeakerTurn]:
    """The turns with speakers named S1, S2, … in the order in which they first speak; turns may overlap.

    A single voice has no confidence, because there is no other to compare it with.
    """
    votes, activity, voices = vote(segmentation, pieces, similarity)
    spoken = (activity >= SPEECH) | (_within(speech, segmentation, len(activity)) & (activity >= FAINT))
    count = np.where(spoken & ~pauses, np.maximum(1, np.round(voices)), 0)
    ranks = np.argsort(np.argsort(-votes, axis=1, kind="stable"), axis=1)
    speaks = (ranks < count[:, None]) & (votes > 0)
    certainty = votes / np.maximum(votes.sum(axis=1, keepdims=True), np.float32(1e-9))
    found = [
        (Span(start=segmentation.start + begin * segmentation.step, end=segmentation.start + end * segmentation.step),
         speaker, float(certainty[begin:end, speaker][speaks[begin:end, speaker]].mean()))
        for speaker in range(votes.shape[1])
        for begin, end in _runs(speaks[:, speaker], round(PAUSE / segmentation.step))
    ]  # fmt: skip
    names: dict[int, str] = {}
    return [
        SpeakerTurn(
            start=span.start,
            end=span.end,
            speaker=names.setdefault(speaker, f"S{len(names) + 1}"),
            confidence=round(confidence, 3) if votes.shape[1] > 1 else None,
        )
        for span, speaker, confidence in sorted(found, key=lambda turn: (turn[0].start, turn[1]))
        if span.duration >= MIN_TURN
    ]


def _within(speech: Sequence[Span], segmentation: Segmentation, frames: int) -> npt.NDArray[np.bool_]:  # (frame,)
    inside = np.zeros(frames, dtype=bool)
    for span in speech:
        begin = round((span.start + EDGES[0] - segmentation.start) / segmentation.step)
        inside[max(0, begin) : max(0, round((span.end - EDGES[1] - segmentation.start) / segmentation.step))] = True
    return inside


def _runs(speaks: npt.NDArray[np.bool_], pause: int) -> list[tuple[int, int]]:
    """The first frame and the end of each run; runs with a shorter pause between them are one."""
    changes = np.flatnonzero(np.diff(np.concatenate([[0], speaks.astype(np.int8), [0]])))
    if len(changes) == 0:
        return []
    begins, ends = changes[::2], changes[1::2]
    apart = begins[1:] - ends[:-1] >= pause
    return list(
        zip(
            begins[np.concatenate([[True], apart])].tolist(),
            ends[np.concatenate([apart, [True]])].tolist(),
            strict=True,
        )
    )
