"""Assigns faces to speakers: the only visible face, or the mouth that moves while the speaker speaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shared.domain.speech import Utterance
from shared.pipeline.artifacts import DetectedFaces
from shared.pipeline.track_faces import PER_SECOND
from shared.ports.engines import FaceClip
from shared.ports.media import Floats

Numbers = npt.NDArray[np.intp]

MIN_FACE_PIXELS = 48  # pixels; smaller faces would have to be upscaled for networks trained on 48-pixel faces
BLURRED = 10.0  # sharpness below which a crop is unusable
CRISP = 500.0  # sharpness of an ordinary webcam; above it, the weight hardly grows
MIN_SIGHTINGS = 3  # usable frames in an utterance
CLEAR_MARGIN = 0.15  # minimum margin of a face to count as the speaker's
UNPROVEN_FACTOR = 0.5  # margin of the only visible face if there are several speakers and no evidence
MIN_MOTIONS = 6  # minimum number of mouth motions
SHRINK = 8  # number of mouth motions at which the evidence is shrunk by half
SILENCE, SEVERAL = -1, -2


class FacesOfSpeakers:
    """Assigns faces to speakers over the whole recording, then returns the face for each utterance."""

    def __init__(self, detected: DetectedFaces, utterances: Sequence[Utterance]) -> None:
        self._detected = detected
        self._times = np.asarray(detected.faces["time"])
        tiles = np.asarray(detected.summary.tiles, dtype=np.intp)
        self._tiles: Numbers = tiles[np.asarray(detected.faces["track"])] if len(tiles) else np.zeros(0, dtype=np.intp)
        self._speakers = list(dict.fromkeys(utterance.speaker for utterance in utterances))
        self._owners = self._assign(_evidence(self._solo(utterances), self._tiles, self._motion(), self._times))

    def face_of(self, utterance: Utterance) -> FaceClip | str:
        """The speaker's face during the utterance, or the reason code if there is none."""
        if self._detected.summary.reason:
            return self._detected.summary.reason
        first, last = np.searchsorted(self._times, [utterance.start, utterance.end])
        rows = first + np.flatnonzero(self._tiles[first:last] >= 0)
        if len(rows) == 0:
            return "no_face"
        tile, margin = self._speakers_tile(utterance.speaker, self._tiles[rows])
        if margin < CLEAR_MARGIN:
            return "no_face_of_speaker"
        begin, end = np.searchsorted(self._detected.frames, [utterance.start, utterance.end])
        return self._clip(rows[self._tiles[rows] == tile], margin, int(end - begin))

    def _clip(self, rows: Numbers, margin: float, frames: int) -> FaceClip | str:
        faces = self._detected.faces[rows]
        large = np.maximum(faces["width"], faces["height"]) >= MIN_FACE_PIXELS
        if not large.any():
            return "face_too_small"
        good = large & (faces["sharpness"] >= BLURRED)
        if good.sum() < MIN_SIGHTINGS:
            return "too_few_frames"
        rows, faces = rows[good], faces[good]
        return FaceClip(
            times=faces["time"].astype(np.float32),
            crops=self._detected.crops[rows],
            weights=faces["score"] * faces["sharpness"] / (faces["sharpness"] + np.float32(CRISP)),
            margin=margin,
            coverage=min(1.0, len(rows) / frames),
        )

    def _speakers_tile(self, speaker: str, in_view: Numbers) -> tuple[int, float]:
        """The tile that shows the speaker, with its margin, which is 0 if no tile does."""
        tiles = [int(tile) for tile in np.unique(in_view)]
        owned = [tile for tile in tiles if tile in self._owners and self._owners[tile][0] == speaker]
        if owned:
            tile = max(owned, key=lambda tile: int((in_view == tile).sum()))
            return tile, 1.0 if len(tiles) == 1 else self._owners[tile][1]
        if len(tiles) > 1:
            return tiles[0], 0.0
        owner, margin = self._owners.get(tiles[0], (speaker, 0.0))
        if owner != speaker and margin >= CLEAR_MARGIN:
            return tiles[0], 0.0
        return tiles[0], 1.0 if len(self._speakers) == 1 else UNPROVEN_FACTOR

    def _motion(self) -> Floats:
        return np.asarray(self._detected.faces["mouth_motion"])

    def _solo(self, utterances: Sequence[Utterance]) -> Numbers:  # (face,)
        """The only speaker at the time of each mouth motion, halfway between its frame and the previous one."""
        times = self._times - 0.5 / PER_SECOND
        solo = np.full(len(times), SILENCE, dtype=np.intp)
        for utterance in utterances:
            first, last = np.searchsorted(times, [utterance.start, utterance.end])
            speaker = self._speakers.index(utterance.speaker)
            current = solo[first:last]
            solo[first:last] = np.where((current == SILENCE) | (current == speaker), speaker, SEVERAL)
        return solo

    def _assign(self, evidence: dict[tuple[int, int], float]) -> dict[int, tuple[str, float]]:
        """Each tile's speaker and margin: the strongest pair first, and no speaker in two tiles at the same time."""
        lifetimes = {tile: self._times[self._tiles == tile][[0, -1]] for _, tile in evidence}
        owners: dict[int, int] = {}
        margins: dict[int, float] = {}
        for (speaker, tile), score in sorted(evidence.items(), key=lambda pair: -pair[1]):
            beside = [t for t in lifetimes if t != tile and _overlap_in_time(lifetimes[t], lifetimes[tile])]
            elsewhere = any(owners.get(other) == speaker for other in beside)
            if score <= 0 or tile in owners or elsewhere:
                continue
            rivals = [evidence.get((speaker, other), 0.0) for other in beside]
            rivals += [value for (who, where), value in evidence.items() if where == tile and who != speaker]
            owners[tile] = speaker
            margins[tile] = min(1.0, max(0.0, score - max(0.0, *rivals, 0.0)))
        return {tile: (self._speakers[owner], margins[tile]) for tile, owner in owners.items()}


def _evidence(
    solo: Numbers, tiles: Numbers, motion: Floats, times: npt.NDArray[np.float64]
) -> dict[tuple[int, int], float]:
    """For each speaker and tile, -1 to 1: whether the mouth moves more while the speaker speaks than otherwise.

    "Otherwise" is while others speak; without other speakers, it is the other mouths at the same time.
    """
    usable = np.isfinite(motion) & (tiles >= 0)
    found: dict[tuple[int, int], float] = {}
    for tile in np.unique(tiles[usable]):
        here = usable & (tiles == tile)
        alive = (times >= times[here][0]) & (times <= times[here][-1])
        for speaker in np.unique(solo[here & (solo >= 0)]):
            speaking = motion[here & (solo == speaker)]
            otherwise = motion[here & (solo >= 0) & (solo != speaker)]
            if len(otherwise) < MIN_MOTIONS:
                otherwise = motion[usable & (tiles != tile) & alive & (solo == speaker)]
            if min(len(speaking), len(otherwise)) >= MIN_MOTIONS:
                found[int(speaker), int(tile)] = _separation(speaking, otherwise)
    return found


def _separation(speaking: Floats, otherwise: Floats) -> float:
    """How often motions while speaking are larger: twice the area under the ROC curve minus one, shrunk."""
    ordered = np.sort(otherwise)
    below = np.searchsorted(ordered, speaking, side="left") + np.searchsorted(ordered, speaking, side="right")
    samples = min(len(speaking), len(otherwise))
    return float(below.mean() / len(otherwise) - 1) * samples / (samples + SHRINK)


def _overlap_in_time(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> bool:
    return bool(one[0] <= other[1] and other[0] <= one[1])
