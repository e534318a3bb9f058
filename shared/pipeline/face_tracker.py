"""Tracks faces from frame to frame; detection runs only if the image has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shared.pipeline.face_crop import cut_square, likeness, normalised
from shared.ports.engines import FaceBox, FaceDetector
from shared.ports.media import Bytes, Floats, Frame

# Detection is expensive, so it runs only if something may have changed.
STATIC_CHANGE = 3.0  # grey levels; a smaller change counts as a static image
LAYOUT_CHANGE = 40.0  # grey levels; a larger change means that the layout changed
MOVING_INTERVAL = 0.5  # minimum seconds between detections of a moving face
NEW_FACE_INTERVAL = 2.0  # seconds between detections of new faces
SAME_POSE = 0.7  # likeness above which a face has not moved
LOST_AFTER_SECONDS = 1.0  # seconds after which a lost face starts a new track
SAME_FACE = 0.5  # likeness of face and background below which a position shows another person
MIN_SIGHTINGS = 3  # tracks with fewer detections are false detections


@dataclass(slots=True)
class Track:
    """One tracked face with its accumulated position and appearance."""

    id: int
    box: FaceBox
    appearance: Bytes  # (16, 16), the face with its background
    first: float
    last: float
    pose: Bytes  # (16, 16), the face alone at its last detection
    sightings: int = 0
    boxes: Floats = field(default_factory=lambda: np.zeros(4, dtype=np.float32))  # sum of centre and size
    appearances: Floats = field(default_factory=lambda: np.zeros((16, 16), dtype=np.float32))  # sum

    def record(self, time: float) -> None:
        self.last = time
        self.sightings += 1
        self.boxes += _position(self.box)
        self.appearances += self.appearance

    @property
    def position(self) -> Floats:  # (4,): centre and size, the mean over the track
        return self.boxes / np.float32(self.sightings)


class FaceFollower:
    """Assigns the faces of each frame to tracks."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._view = np.zeros(0, dtype=np.float32)  # the image at the last detection
        self._detected_at = -np.inf
        self._in_view: list[Track] = []
        self._lost: list[Track] = []
        self.tracks: list[Track] = []

    def follow(self, frame: Frame) -> Sequence[Track]:
        view = _overview(frame.pixels)
        if self._needs_detection(frame, view):
            self._detect(frame)
            self._view, self._detected_at = view, frame.time
        for track in self._in_view:
            track.record(frame.time)
        return self._in_view

    def _needs_detection(self, frame: Frame, view: Floats) -> bool:
        if view.shape != self._view.shape:
            return True
        change = float(np.abs(view - self._view).max())
        since = frame.time - self._detected_at
        if change >= LAYOUT_CHANGE or (change >= STATIC_CHANGE and since >= NEW_FACE_INTERVAL):
            return True
        if change < STATIC_CHANGE or since < MOVING_INTERVAL:
            return False
        return any(likeness(track.pose, _pose(frame, track.box)) < SAME_POSE for track in self._in_view)

    def _detect(self, frame: Frame) -> None:
        known = [
            t for t in (*self._in_view, *self._lost) if frame.time - t.last <= LOST_AFTER_SECONDS + MOVING_INTERVAL
        ]
        self._in_view = []
        for box in sorted(self._detector.detect(frame), key=lambda box: -box.score):
            appearance = cut_square(frame.pixels, box, margin=2.2, size=16)
            near = [track for track in known if _close(_position(track.box), _position(box))]
            track = max(near, key=lambda t: likeness(t.appearance, appearance), default=None)
            if track is None or likeness(track.appearance, appearance) < SAME_FACE:
                track = Track(len(self.tracks), box, appearance, frame.time, frame.time, _pose(frame, box))
                self.tracks.append(track)
            else:
                known.remove(track)
                track.box, track.appearance, track.pose = box, appearance, _pose(frame, box)
            self._in_view.append(track)
        self._lost = known


def tiles_of(tracks: Sequence[Track]) -> tuple[int, ...]:
    """The tile of each track; tiles combine the evidence about one participant over the whole meeting."""
    count = 0
    positions = np.zeros((len(tracks), 4), dtype=np.float32)  # (tile, 4), position of its latest track
    appearances = np.zeros((len(tracks), 16, 16), dtype=np.float32)  # (tile, 16, 16), appearance of its latest track
    ends = np.zeros(len(tracks))  # (tile,), end of its latest track
    numbers: list[int] = []
    for track in tracks:
        if track.sightings < MIN_SIGHTINGS:
            numbers.append(-1)
            continue
        appearance = normalised(track.appearances)
        # A tile that still shows another face cannot be the tile of this track.
        free = (ends[:count] < track.first) & _close(positions[:count], track.position)
        same = free & ((appearances[:count] * appearance).mean(axis=(1, 2)) >= SAME_FACE)
        number = int(same.argmax()) if same.any() else count
        count = max(count, number + 1)
        positions[number], appearances[number], ends[number] = track.position, appearance, track.last
        numbers.append(number)
    return tuple(numbers)


def _pose(frame: Frame, box: FaceBox) -> Bytes:
    return cut_square(frame.pixels, box, size=16)


def _position(box: FaceBox) -> Floats:
    centre = (box.left + box.width / 2, box.top + box.height / 2)
    return np.array([*centre, box.width, box.height], dtype=np.float32)


def _close(ones: Floats, other: Floats) -> npt.NDArray[np.bool_]:  # (..., 4) and (4,) -> (...,)
    """Whether two faces have about the same position and size."""
    areas, area = ones[..., 2:].prod(axis=-1), other[2:].prod()
    apart = np.hypot(ones[..., 0] - other[0], ones[..., 1] - other[1])
    growth = np.sqrt(areas / area)
    return np.asarray((apart < 0.75 * np.sqrt(np.sqrt(areas * area))) & (growth > 0.6) & (growth < 1.7))


def _overview(pixels: Bytes) -> Floats:
    """The mean green value of blocks of about 32 pixels: cheap, and fine enough to notice a new face."""
    green = pixels[::2, ::2, 1]
    rows, columns = max(1, green.shape[0] // 16), max(1, green.shape[1] // 16)
    cut = green[: rows * (green.shape[0] // rows), : columns * (green.shape[1] // columns)]
    blocks = cut.reshape(rows, cut.shape[0] // rows, columns, cut.shape[1] // columns)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))
