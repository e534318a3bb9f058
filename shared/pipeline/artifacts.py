"""What each stage leaves for the next: one JSON value per folder, and beside it the arrays that are too big for JSON.

| stage         | files                                                             |
|---------------|-------------------------------------------------------------------|
| decode        | decode.json (Probe), mix.f32, track-N.f32                         |
| detect_speech | detect_speech.json (SpeechMap)                                    |
| transcribe    | transcribe.json (Hearing)                                         |
| diarize       | diarize.json (Turns)                                              |
| track_faces   | track_faces.json (FaceTracks), crops.npy (face, 48, 48) uint8     |
| compose       | compose.json (Utterances)                                         |
| read_emotions | read_emotions.json (Readings)                                     |
| publish       | transcript.json (Transcript)                                      |
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from shared.domain.emotion import EmotionReading, Modality
from shared.domain.speech import SpeakerTurn, Speech, Utterance
from shared.domain.value import Value
from shared.ports.media import Audio


class SpeechMap(Value):
    """Speech in the mix, or, where every participant has a track, in each of them."""

    tracks: tuple[Speech, ...]


class Turns(Value):
    turns: tuple[SpeakerTurn, ...]
    # Speakers in the order of their first word, with the name a platform or a track gave them.
    names: dict[str, str] = Field(default_factory=dict)


class FaceSighting(Value):
    """One face in one sampled frame; row `crop` of crops.npy is its picture."""

    time: float
    left: float
    top: float
    width: float
    height: float
    score: float
    sharpness: float
    mouth_motion: float
    crop: int


class FaceTrack(Value):
    """The same face followed through neighbouring frames."""

    id: int
    sightings: tuple[FaceSighting, ...]


class FaceTracks(Value):
    tracks: tuple[FaceTrack, ...]
    frame_times: tuple[float, ...]  # every frame that was looked at, with or without a face
    reason: str | None = None  # why there are none: off, no_video


class Utterances(Value):
    utterances: tuple[Utterance, ...]


class Readings(Value):
    readings: tuple[EmotionReading, ...]
    used: tuple[Modality, ...]


def open_audio(decoded: Path, track: int | None = None) -> Audio:
    """The samples that `decode` left, memory-mapped."""
    path = decoded / ("mix.f32" if track is None else f"track-{track}.f32")
    if path.stat().st_size == 0:
        return Audio(np.zeros(0, dtype=np.float32))
    return Audio(np.memmap(path, dtype="<f4", mode="r"))
