"""Follow faces from frame to frame, looking anew only when the picture gives cause to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shared.pipeline.face_crop import cut_square, likeness, normalised
from shared.ports.engines import FaceBox, FaceDetector
from shared.ports.media import Bytes, Floats, Frame

# Detection is what costs, so it runs only when something may have changed.
STATIC_CHANGE = 3.0  # grey levels: nothing in the picture changed by more
LAYOUT_CHANGE = 40.0  # grey levels: the picture was rearranged
MOVING_INTERVAL = 0.5  # seconds between two looks at a face that moves
NEW_FACE_INTERVAL = 2.0  # seconds between two looks for faces that have come
SAME_POSE = 0.7  # likeness above which a face is where it was
LOST_AFTER_SECONDS = 1.0  # seconds after which a face that was lost is a new one
SAME_FACE = 0.5  # likeness of face and surroundings below which one place shows somebody else
MIN_SIGHTINGS = 3  # sightings; fewer are a flicker of the detector


@dataclass(slots=True)
class Track:
    """One face being followed, and what it has looked like so far."""

    id: int
    box: FaceBox
    look: Bytes  # (16, 16), the face with its surroundings: who sits there, and before which wall
    first: float
    last: float
    pose: Bytes  # (16, 16), the face alone when the detector last saw it
    sightings: int = 0
    boxes: Floats = field(default_factory=lambda: np.zeros(4, dtype=np.float32))  # sum of centre and size
    looks: Floats = field(default_factory=lambda: np.zeros((16, 16), dtype=np.float32))  # sum

    def see(self, time: float) -> None:
        self.last = time
        self.sightings += 1
        self.boxes += _place(self.box)
        self.looks += self.look

    @property
    def place(self) -> Floats:  # (4,): centre and size, the mean over the track
        return self.boxes / np.float32(self.sightings)


class FaceFollower:
    """Gives each frame's faces the identity of the track they belong to."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._view = np.zeros(0, dtype=np.float32)  # the picture at the last look
        self._looked = -np.inf
        self._in_view: list[Track] = []
        self._lost: list[Track] = []
        self.tracks: list[Track] = []

    def follow(self, frame: Frame) -> Sequence[Track]:
        view = _overview(frame.pixels)
        if self._needs_detection(frame, view):
            self._detect(frame)
            self._view, self._looked = view, frame.time
        for track in self._in_view:
            track.see(frame.time)
        return self._in_view

    def _needs_detection(self, frame: Frame, view: Floats) -> bool:
        if view.shape != self._view.shape:
            return True
        change = float(np.abs(view - self._view).max())
        since = frame.time - self._looked
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
            look = cut_square(frame.pixels, box, margin=2.2, size=16)
            near = [track for track in known if _close(_place(track.box), _place(box))]
            track = max(near, key=lambda t: likeness(t.look, look), default=None)
            if track is None or likeness(track.look, look) < SAME_FACE:
                track = Track(len(self.tracks), box, look, frame.time, frame.time, _pose(frame, box))
                self.tracks.append(track)
            else:
                known.remove(track)
                track.box, track.look, track.pose = box, look, _pose(frame, box)
            self._in_view.append(track)
        self._lost = known


def tiles_of(tracks: Sequence[Track]) -> tuple[int, ...]:
    """The tile of each track, so that evidence about one participant adds up over the whole meeting."""
    count = 0
    places = np.zeros((len(tracks), 4), dtype=np.float32)  # (tile, 4), where its latest track was
    looks = np.zeros((len(tracks), 16, 16), dtype=np.float32)  # (tile, 16, 16), and how that looked
    ends = np.zeros(len(tracks))  # (tile,), and when it ended
    numbers: list[int] = []
    for track in tracks:
        if track.sightings < MIN_SIGHTINGS:
            numbers.append(-1)
            continue
        look = normalised(track.looks)
        # A tile that still shows another face cannot be this one's.
        free = (ends[:count] < track.first) & _close(places[:count], track.place)
        same = free & ((looks[:count] * look).mean(axis=(1, 2)) >= SAME_FACE)
        number = int(same.argmax()) if same.any() else count
        count = max(count, number + 1)
        places[number], looks[number], ends[number] = track.place, look, track.last
        numbers.append(number)
    return tuple(numbers)


def _pose(frame: Frame, box: FaceBox) -> Bytes:
    return cut_square(frame.pixels, box, size=16)


def _place(box: FaceBox) -> Floats:
    centre = (box.left + box.width / 2, box.top + box.height / 2)
    return np.array([*centre, box.width, box.height], dtype=np.float32)


def _close(ones: Floats, other: Floats) -> npt.NDArray[np.bool_]:  # (..., 4) and (4,) -> (...,)
    """Whether two faces are in one place and about as large."""
    areas, area = ones[..., 2:].prod(axis=-1), other[2:].prod()
    apart = np.hypot(ones[..., 0] - other[0], ones[..., 1] - other[1])
    growth = np.sqrt(areas / area)
    return np.asarray((apart < 0.75 * np.sqrt(np.sqrt(areas * area))) & (growth > 0.6) & (growth < 1.7))


def _overview(pixels: Bytes) -> Floats:
    """The picture in blocks of about 32 pixels, each the mean of its green: cheap, and sees a face come."""
    green = pixels[::2, ::2, 1]
    rows, columns = max(1, green.shape[0] // 16), max(1, green.shape[1] // 16)
    cut = green[: rows * (green.shape[0] // rows), : columns * (green.shape[1] // columns)]
    blocks = cut.reshape(rows, cut.shape[0] // rows, columns, cut.shape[1] // columns)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))
