from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from shared.pipeline.face_tracker import FaceFollower, tiles_of
from shared.ports.engines import FaceBox
from shared.ports.media import Bytes, Frame

WALLS = np.random.default_rng(5).integers(0, 255, (4, 12, 12, 3)).astype(np.uint8)
A, B = FaceBox(60, 60, 100, 120, 0.9), FaceBox(360, 60, 100, 120, 0.9)


class ScriptedFaces:
    """A fake detector that returns scripted boxes, and records the times of its calls."""

    name = fingerprint = "scripted"

    def __init__(self, script: Callable[[float], Sequence[FaceBox]]) -> None:
        self._script = script
        self.detections: list[float] = []

    def detect(self, frame: Frame) -> Sequence[FaceBox]:
        self.detections.append(frame.time)
        return self._script(frame.time)


def tile(pixels: Bytes, box: FaceBox, who: int, *, trembling: int = 0) -> None:
    """Draw one participant: a face and a background that differs from all others."""
    picture = np.kron(WALLS[who], np.ones((20, 20, 1), np.uint8))
    left, top = int(box.left) - 70 + trembling, int(box.top) - 60
    part = pixels[max(0, top) : top + 240, max(0, left) : left + 240]
    part[:] = picture[-part.shape[0] :, -part.shape[1] :]


def frames(seconds: float, paint: Callable[[float, Bytes], None]) -> list[Frame]:
    made = []
    for time in np.arange(0, seconds, 0.25):
        pixels = np.full((300, 600, 3), 90, np.uint8)
        paint(float(time), pixels)
        made.append(Frame(float(time), pixels))
    return made


def follow(
    script: Callable[[float], Sequence[FaceBox]], pictures: Sequence[Frame]
) -> tuple[FaceFollower, list[float], list[list[int]]]:
    faces = ScriptedFaces(script)
    follower = FaceFollower(faces)
    return follower, faces.detections, [[track.id for track in follower.follow(frame)] for frame in pictures]


def test_static_image_is_detected_once() -> None:
    follower, detections, ids_per_frame = follow(lambda _: [A], frames(10, lambda _, pixels: tile(pixels, A, 0)))
    assert detections == [0.0]
    assert ids_per_frame == [[0]] * 40
    assert follower.tracks[0].sightings == 40


def test_moving_face_is_detected_repeatedly_and_stays_one_track() -> None:
    def moved(time: float) -> FaceBox:
        return FaceBox(60 + 20 * time, 60, 100, 120, 0.9)

    _, detections, ids_per_frame = follow(lambda t: [moved(t)], frames(5, lambda t, pixels: tile(pixels, moved(t), 0)))
    assert min(np.diff(detections)) >= 0.25
    assert len(detections) > 5
    assert {number for ids in ids_per_frame for number in ids} == {0}


def test_new_faces_are_detected_every_two_seconds_during_motion() -> None:
    def paint(time: float, pixels: Bytes) -> None:
        tile(pixels, A, 0)
        pixels[250:290, 250:290] += np.uint8(time * 4)  # a light that slowly gets brighter

    _, detections, _ = follow(lambda _: [A], frames(8, paint))
    assert np.allclose(np.diff(detections), 2.0)


def test_each_tile_of_a_gallery_is_a_separate_track() -> None:
    def paint(_: float, pixels: Bytes) -> None:
        tile(pixels, A, 0)
        tile(pixels, B, 1)

    follower, _, ids_per_frame = follow(lambda _: [A, B], frames(2, paint))
    assert ids_per_frame == [[0, 1]] * 8
    assert tiles_of(follower.tracks) == (0, 1)


def test_briefly_lost_face_keeps_its_track() -> None:
    def paint(time: float, pixels: Bytes) -> None:
        tile(pixels, A, 0)
        pixels[200:, 400:] = 90 + 100 * int(time * 4 % 2)  # flicker, so detection runs on every frame

    follower, _, ids_per_frame = follow(lambda t: [] if 1 <= t < 1.5 else [A], frames(3, paint))
    assert ids_per_frame[4:6] == [[], []]
    assert {number for ids in ids_per_frame for number in ids} == {0}
    assert len(follower.tracks) == 1


def test_another_person_at_the_same_position_is_a_new_track_and_tile() -> None:
    """Speaker view: one position, one face at a time, each of another person."""
    follower, _, ids_per_frame = follow(
        lambda _: [A], frames(9, lambda t, pixels: tile(pixels, A, 0 if t < 3 or t >= 6 else 1))
    )
    assert [ids_per_frame[0], ids_per_frame[12], ids_per_frame[24]] == [[0], [1], [2]]
    assert tiles_of(follower.tracks) == (0, 1, 0)


def test_brief_detection_is_not_a_tile() -> None:
    def paint(time: float, pixels: Bytes) -> None:
        tile(pixels, A, 0)
        pixels[200:, 400:] = 90 + 100 * int(time * 4 % 2)

    follower, _, _ = follow(lambda t: [A, B] if t == 1 else [A], frames(3, paint))
    assert tiles_of(follower.tracks) == (0, -1)


def test_changed_resolution_triggers_detection() -> None:
    small = Frame(0.25, np.full((150, 300, 3), 90, np.uint8))
    _, detections, _ = follow(lambda _: [], [*frames(0.25, lambda _t, _p: None), small])
    assert detections == [0.0, 0.25]
