"""Extracts the audio and the face track of a clip with the pipeline's own code and caches them on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from services.trainer.clips.atomic_files import save_atomically
from services.trainer.datasets.clip import Clip
from services.trainer.datasets.voices import load_sound
from shared.domain.error import UndertoneError
from shared.domain.span import Span
from shared.domain.speech import Utterance, Word
from shared.engines.decoder.frames import sample_frames
from shared.engines.decoder.open import find_video, opened
from shared.engines.decoder_pyav import PyAvDecoder
from shared.engines.settings import MediaSettings
from shared.pipeline.artifacts import DetectedFaces
from shared.pipeline.face_tracker import FaceFollower, tiles_of
from shared.pipeline.faces_of_speakers import FacesOfSpeakers
from shared.pipeline.track_faces import MAX_SIDE, PER_SECOND, FaceWriter
from shared.ports.engines import FaceClip, FaceDetector, UtteranceClip
from shared.ports.media import SAMPLE_RATE, Audio, Floats

VERSION = 1  # increase when the same clip gives another result
FACE = ("times", "crops", "weights")
SILENT_FILM = 60.0  # seconds of video that are processed if there is no audio to give the clip's length


@dataclass(frozen=True, slots=True)
class Perceiver:
    """Decodes recordings in this process, not in a sandboxed child process: they are the trainer's own."""

    detector: FaceDetector
    media: MediaSettings
    folder: Path

    def key(self, clip: Clip) -> str:
        """A cache key that changes with the files, the decoder and the detector."""
        files = [_version_of(path) for path in (clip.path, clip.film) if path]
        parts = (VERSION, PyAvDecoder(self.media).fingerprint, self.detector.fingerprint, *files, clip.span)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]

    def __call__(self, clip: Clip, index: int) -> UtteranceClip:
        """The clip as the utterance at `index` of its dialogue."""
        kept = self.folder / f"{self.key(clip)}.npz"
        if not kept.is_file():
            sound, error_code = _sound(clip.path)
            span = clip.span or Span(start=0.0, end=len(sound) / SAMPLE_RATE or SILENT_FILM)
            face = self._face(clip.film or clip.path, span)
            save_atomically(kept, _arrays(sound, error_code, face))
        with np.load(kept) as arrays:
            return UtteranceClip(_utterance(clip, index), Audio(_load_sound(arrays["sound"])), _load_face(arrays))

    def broken(self, clip: Clip) -> str | None:
        """The error code of a processed clip that could not be opened."""
        with np.load(self.folder / f"{self.key(clip)}.npz") as arrays:
            return str(arrays["unheard"]) or None

    def _face(self, film: Path, span: Span) -> FaceClip | str:
        try:
            with opened(str(film), self.media) as container, TemporaryDirectory() as scratch:
                if find_video(container) is None:
                    return "no_video"
                follower = FaceFollower(self.detector)
                with FaceWriter(Path(scratch)) as writer:
                    for frame in sample_frames(
                        container, [span], per_second=PER_SECOND, longest_side=MAX_SIDE, settings=self.media
                    ):
                        writer.add(frame, follower)
                    writer.tiles = tiles_of(follower.tracks)
                    summary = writer.summary(None)
                frames, faces, crops = (np.load(Path(scratch, f"{name}.npy")) for name in ("frames", "faces", "crops"))
        except UndertoneError as error:
            return error.code
        except FileNotFoundError:
            return "not_found"
        said = Utterance(index=0, start=span.start, end=span.end, speaker="S1", text="…", words=())
        return FacesOfSpeakers(DetectedFaces(summary, frames, faces, crops), [said]).face_of(said)


def _version_of(path: Path) -> tuple[str, int, int]:
    if not path.is_file():
        return str(path.resolve()), 0, 0
    return str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns


def _sound(path: Path) -> tuple[Floats, str]:
    """The samples, or the reason why there are none: a video may be silent, and some corpora have broken files."""
    nothing = np.zeros(0, dtype=np.float32)
    if not path.is_file():
        return nothing, "not_found"
    try:
        return load_sound(path), ""
    except UndertoneError as error:
        return nothing, (error.__cause__.code if isinstance(error.__cause__, UndertoneError) else error.code)


def _arrays(sound: Floats, error_code: str, face: FaceClip | str) -> dict[str, np.ndarray]:
    arrays = {"sound": np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16), "unheard": np.array(error_code)}
    if isinstance(face, str):
        return arrays | {"reason": np.array(face)}
    return arrays | {name: getattr(face, name) for name in FACE} | {"known": np.array([face.margin, face.coverage])}


def _load_sound(sound: np.ndarray) -> Floats:
    return np.asarray(sound, dtype=np.float32) / np.float32(32767)


def _load_face(arrays: np.lib.npyio.NpzFile) -> FaceClip | str:
    if "reason" in arrays:
        return str(arrays["reason"])
    margin, coverage = map(float, arrays["known"])
    times, crops, weights = (arrays[name] for name in FACE)
    return FaceClip(times, crops, weights, margin, coverage)


def _utterance(clip: Clip, index: int) -> Utterance:
    text = clip.text or "…"
    words = (Word(start=index, end=index + 1, text=text),)
    return Utterance(index=index, start=index, end=index + 1, speaker=clip.speaker, text=text, words=words)
