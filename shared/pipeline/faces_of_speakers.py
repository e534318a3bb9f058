"""Whose face it is: the one face in view, else the tile whose mouth moves when that speaker speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from shared.domain.span import Span
from shared.domain.speech import Utterance
from shared.pipeline.artifacts import SeenFaces
from shared.ports.engines import FaceClip

FEWEST = 3  # frames that show the face; fewer say nothing
SMALLEST = 48.0  # pixels; a smaller face is a guess
CLEAR = 0.25  # how much more a mouth must move (in its own deviations) to be taken for the speaker's
SURE = 1.0  # from here on it is certain
LEAST_SOLO = 1.0  # seconds that a speaker must speak alone

Floats64 = npt.NDArray[np.float64]


class FacesOfSpeakers:
    def __init__(self, seen: SeenFaces, utterances: Sequence[Utterance]) -> None:
        self._seen = seen
        self._times = np.asarray(seen.faces["time"])
        numbers = np.asarray(seen.faces["track"])
        tiles = np.array(seen.summary.tiles, dtype=np.int64)
        self._tiles = tiles[numbers] if len(numbers) else np.zeros(0, dtype=np.int64)
        self._owners = owners_of(self._tiles, self._times, np.asarray(seen.faces["mouth_motion"]), utterances)

    def clip(self, utterance: Utterance) -> FaceClip | str:
        """The speaker's face during the utterance, or why there is none."""
        if self._seen.summary.reason:
            return self._seen.summary.reason
        rows = np.arange(*np.searchsorted(self._times, (utterance.start, utterance.end)))
        rows = rows[self._tiles[rows] >= 0]
        if len(rows) == 0:
            return "no_face"
        tile, margin = self._owners.get(utterance.speaker, (-1, 0.0))
        if len(set(self._tiles[rows].tolist())) == 1 and len(set(self._tiles[self._tiles >= 0].tolist())) == 1:
            tile, margin = int(self._tiles[rows][0]), 1.0
        rows = rows[self._tiles[rows] == tile]
        if len(rows) == 0:
            return "no_face_of_speaker"
        faces = self._seen.faces[rows]
        if float(np.median(faces["width"])) < SMALLEST:
            return "face_too_small"
        if len(rows) < FEWEST:
            return "too_few_frames"
        frames = int(np.diff(np.searchsorted(self._seen.frames, (utterance.start, utterance.end)))[0])
        return FaceClip(
            times=faces["time"].astype(np.float32),
            crops=np.asarray(self._seen.crops[rows]),
            weights=(faces["score"] * faces["sharpness"]).astype(np.float32),
            margin=margin,
            coverage=min(1.0, len(rows) / max(1, frames)),
        )


def owners_of(
    tiles: npt.NDArray[np.int64], times: Floats64, motion: npt.NDArray[np.float32], utterances: Sequence[Utterance]
) -> Mapping[str, tuple[int, float]]:
    """Each speaker's tile and how clearly it is theirs, 0 to 1; the clearest pairs are settled first."""
    speakers = sorted({utterance.speaker for utterance in utterances})
    known = sorted(set(tiles[tiles >= 0].tolist()))
    evidence: list[tuple[float, str, int]] = []
    for speaker in speakers:
        alone = _solo(speaker, utterances)
        if sum(span.duration for span in alone) < LEAST_SOLO:
            continue
        moves = {tile: _speaks(tile, alone, tiles, times, motion) for tile in known}
        for tile, own in moves.items():
            others = max((other for number, other in moves.items() if number != tile), default=0.0)
            evidence.append((own - others, speaker, tile))
    owners: dict[str, tuple[int, float]] = {}
    for lead, speaker, tile in sorted(evidence, reverse=True):
        if lead >= CLEAR and speaker not in owners and tile not in {taken for taken, _ in owners.values()}:
            owners[speaker] = (tile, min(1.0, lead / SURE))
    return owners


def _solo(speaker: str, utterances: Sequence[Utterance]) -> list[Span]:
    """Where this speaker speaks and nobody else does; utterances come in order of their beginning."""
    alone: list[Span] = []
    for number, utterance in enumerate(utterances):
        near = (*utterances[max(0, number - 8) : number], *utterances[number + 1 : number + 9])
        if utterance.speaker == speaker and not any(
            other.speaker != speaker and utterance.overlap(other) > 0 for other in near
        ):
            alone.append(utterance.span)
    return alone


def _speaks(
    tile: int,
    alone: Sequence[Span],
    tiles: npt.NDArray[np.int64],
    times: Floats64,
    motion: npt.NDArray[np.float32],
) -> float:
    """How much more this mouth moves while the speaker speaks alone than it does otherwise, in deviations."""
    rows = (tiles == tile) & np.isfinite(motion)
    if rows.sum() < FEWEST:
        return 0.0
    moving, when = motion[rows].astype(np.float64), times[rows]
    during = np.zeros(len(when), dtype=bool)
    for span in alone:
        first, last = np.searchsorted(when, (span.start, span.end))
        during[first:last] = True
    deviation = float(moving.std())
    if not during.any() or during.all() or deviation == 0.0:
        return 0.0
    return float((moving[during].mean() - moving[~during].mean()) / deviation)
