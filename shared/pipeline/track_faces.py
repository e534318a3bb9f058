"""The track_faces stage: detects faces during speech and tracks them through the recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from shared.domain.error import EngineError, RecordingError
from shared.domain.recording import Probe
from shared.domain.span import Span, union
from shared.domain.stage_plan import NO_FACES, TRACK_FACES
from shared.pipeline.artifacts import FACE, FaceTracks, SpeechMap
from shared.pipeline.face_crop import CROP, cut_square, mouth_motion, sharpness
from shared.pipeline.face_tracker import FaceFollower, tiles_of
from shared.pipeline.growing_array import GrowingArray
from shared.pipeline.stage import WholeStage, Workspace
from shared.ports.engines import FaceDetector
from shared.ports.media import Frame, MediaDecoder

PER_SECOND = 4.0
MAX_SIDE = 960  # pixels; a face in a gallery of four by four tiles still has about 55
PAUSE = 1.0  # seconds; shorter silences are processed too, to keep frames consecutive


class NoFaces(WholeStage):
    """Replaces `track_faces` if the face is not used, and writes an empty output with the reason."""

    spec = NO_FACES

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self.engine = reason

    def identity(self) -> Mapping[str, object]:
        return {"reason": self._reason}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        with FaceWriter(work.folder) as writer:
            work.write(writer.summary(self._reason))


class TrackFaces(WholeStage):
    spec = TRACK_FACES

    def __init__(self, media: Path, decoder: MediaDecoder, detector: FaceDetector) -> None:
        self._media = media
        self._decoder = decoder
        self._detector = detector

    @property
    def engine(self) -> str:
        return self._detector.name

    def identity(self) -> Mapping[str, object]:
        return {
            "decoder": self._decoder.fingerprint,
            "detector": self._detector.fingerprint,
            "per_second": PER_SECOND,
            "longest_side": MAX_SIDE,
            "version": 1,
        }

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        probe = work.read("decode", Probe)
        spans = (span for track in work.read("detect_speech", SpeechMap).tracks for span in track.spans)
        speech = union((piece.span for piece in spans), gap=PAUSE)
        with FaceWriter(work.folder) as writer:
            reason = None if probe.video else "no_video"
            if probe.video and speech:
                reason = self._track(work, speech, writer)
            work.write(writer.summary(reason))

    def _track(self, work: Workspace, speech: Sequence[Span], writer: FaceWriter) -> str | None:
        follower = FaceFollower(self._detector)
        frames = self._decoder.frames(self._media, speech, per_second=PER_SECOND, longest_side=MAX_SIDE)
        reason = None
        try:
            for frame in frames:
                writer.add(frame, follower)
                work.progress(frame.time / speech[-1].end)
        except (RecordingError, EngineError) as error:
            # Damaged video loses the faces from there on, never the transcript.
            work.warn(error.code, f"The video could be processed only in part: {error.message}")
            reason = None if writer.has_frames else error.code
        writer.tiles = tiles_of(follower.tracks)
        return reason


class FaceWriter(ExitStack):
    """Streams the detected faces to disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._frames = self.enter_context(GrowingArray(folder / "frames.npy", "<f8"))
        self._faces = self.enter_context(GrowingArray(folder / "faces.npy", FACE))
        self._crops = self.enter_context(GrowingArray(folder / "crops.npy", np.uint8, (CROP, CROP)))
        self._before: Frame | None = None
        self.tiles: tuple[int, ...] = ()

    @property
    def has_frames(self) -> bool:
        return self._frames.rows > 0

    def summary(self, reason: str | None) -> FaceTracks:
        return FaceTracks(frames=self._frames.rows, faces=self._faces.rows, tiles=self.tiles, reason=reason)

    def add(self, frame: Frame, follower: FaceFollower) -> None:
        before = self._before if self._before and frame.time - self._before.time < 1.5 / PER_SECOND else None
        for track in follower.follow(frame):
            box, crop = track.box, cut_square(frame.pixels, track.box)
            # The same square in both frames, so that a jittering box is not measured as mouth motion.
            steady = before is not None and track.first <= before.time
            motion = mouth_motion(crop, cut_square(before.pixels, box)) if before and steady else np.nan
            position = (box.left, box.top, box.width, box.height)
            self._faces.append(np.array((frame.time, track.id, *position, box.score, sharpness(crop), motion), FACE))
            self._crops.append(crop)
        self._frames.append(frame.time)
        self._before = frame
