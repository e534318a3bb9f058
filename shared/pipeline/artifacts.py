"""Artifacts of the stages: one JSON value per folder, and arrays that are too large for JSON.

| stage         | files                                                             |
|---------------|-------------------------------------------------------------------|
| decode        | decode.json (Probe), mix.f32, track-N.f32                         |
| detect_speech | detect_speech.json (SpeechMap)                                    |
| transcribe    | transcribe.json (Transcription)                                   |
| diarize       | diarize.json (Turns)                                              |
| track_faces   | track_faces.json (FaceTracks), frames.npy, faces.npy, crops.npy   |
| compose       | compose.json (Utterances)                                         |
| read_emotions | read_emotions.json (Readings)                                     |
| publish       | transcript.json (Transcript)                                      |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from shared.domain.emotion import EmotionReading, Modality
from shared.domain.speech import SpeakerTurn, Speech, Utterance
from shared.domain.value import Value
from shared.ports.media import Audio, Bytes


class SpeechMap(Value):
    """Speech spans of the mix, or of each participant's track if there are tracks."""

    tracks: tuple[Speech, ...]


class Turns(Value):
    turns: tuple[SpeakerTurn, ...]
    # Speakers in the order of their first word, with their name from the platform or the track.
    names: dict[str, str] = Field(default_factory=dict)
    recognised: dict[str, str] = Field(default_factory=dict)  # names of speakers by reference clips of their voices


class FaceTracks(Value):
    """Summary of the detected faces; the detections are stored as arrays because there may be many."""

    frames: int  # processed frames, with or without a face
    faces: int  # detected in them
    # The tile of each track: similar tracks at the same position are one tile; -1 means the track is too short.
    tiles: tuple[int, ...] = ()
    reason: str | None = None  # why there was no detection: off, no_video, or an error code


# One face in one sampled frame, in pixels of that frame; the same row of crops.npy is its image.
FACE = np.dtype(
    [
        ("time", "<f8"),
        ("track", "<i4"),  # the same face tracked through consecutive frames
        ("left", "<f4"),
        ("top", "<f4"),
        ("width", "<f4"),
        ("height", "<f4"),
        ("score", "<f4"),
        ("sharpness", "<f4"),
        ("mouth_motion", "<f4"),  # NaN without a previous frame to compare with
    ]
)


@dataclass(frozen=True, slots=True)
class RowsOnDisk:
    """A .npy file that is mapped only during each access, because mapped pages would accumulate in memory."""

    path: Path

    def __getitem__(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> Bytes:
        return np.array(np.load(self.path, mmap_mode="r")[rows])


@dataclass(frozen=True, slots=True)
class DetectedFaces:
    """The output of `track_faces`."""

    summary: FaceTracks
    frames: npt.NDArray[np.float64]  # (frame,), the time of each
    faces: npt.NDArray[np.void]  # (face,), of FACE
    crops: RowsOnDisk | Bytes  # (face, 48, 48), grey


class Utterances(Value):
    utterances: tuple[Utterance, ...]


class Readings(Value):
    readings: tuple[EmotionReading, ...]
    used: tuple[Modality, ...]


def open_audio(decoded: Path, track: int | None = None) -> Audio:
    """The samples written by `decode`, memory-mapped."""
    path = decoded / ("mix.f32" if track is None else f"track-{track}.f32")
    if path.stat().st_size == 0:
        return Audio(np.zeros(0, dtype=np.float32))
    return Audio(np.memmap(path, dtype="<f4", mode="r"))


def open_faces(tracked: Path) -> DetectedFaces:
    summary = FaceTracks.model_validate_json((tracked / "track_faces.json").read_bytes())
    frames, faces = (np.load(tracked / f"{name}.npy", mmap_mode="r") for name in ("frames", "faces"))
    return DetectedFaces(summary, frames, faces, RowsOnDisk(tracked / "crops.npy"))
