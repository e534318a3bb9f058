from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from shared.pipeline.follow_faces import FaceFollower, tiles_of
from shared.ports.engines import FaceBox
from shared.ports.media import Bytes, Frame

WALLS = np.random.default_rng(5).integers(0, 255, (4, 12, 12, 3)).astype(np.uint8)
A, B = FaceBox(60, 60, 100, 120, 0.9), FaceBox(360, 60, 100, 120, 0.9)


class ScriptedFaces:
    """Sees the boxes that a script names for each moment, and counts how often it was asked."""

    name = fingerprint = "scripted"

    def __init__(self, script: Callable[[float], Sequence[FaceBox]]) -> None:
        self._script = script
        self.looks: list[float] = []

    def detect(self, frame: Frame) -> Sequence[FaceBox]:
        self.looks.append(frame.time)
        return self._script(frame.time)


def tile(pixels: Bytes, box: FaceBox, who: int, *, trembling: int = 0) -> None:
    """One participant: a face and a wall that nobody else has."""
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
    return follower, faces.looks, [[track.id for track in follower.follow(frame)] for frame in pictures]


def test_a_picture_that_does_not_change_is_looked_at_once() -> None:
    follower, looks, seen = follow(lambda _: [A], frames(10, lambda _, pixels: tile(pixels, A, 0)))
    assert looks == [0.0]
    assert seen == [[0]] * 40
    assert follower.tracks[0].sightings == 40


def test_a_face_that_moves_is_looked_at_twice_a_second_and_stays_one_track() -> None:
    def moved(time: float) -> FaceBox:
        return FaceBox(60 + 20 * time, 60, 100, 120, 0.9)

    _, looks, seen = follow(lambda t: [moved(t)], frames(5, lambda t, pixels: tile(pixels, moved(t), 0)))
    assert min(np.diff(looks)) >= 0.25
    assert len(looks) > 5
    assert {number for ids in seen for number in ids} == {0}


def test_new_faces_are_looked_for_every_two_seconds_where_something_moves() -> None:
    def paint(time: float, pixels: Bytes) -> None:
        tile(pixels, A, 0)
        pixels[250:290, 250:290] += np.uint8(time * 4)  # a light that slowly grows brighter

    _, looks, _ = follow(lambda _: [A], frames(8, paint))
    assert np.allclose(np.diff(looks), 2.0)


def test_each_tile_of_a_gallery_is_a_track_of_its_own() -> None:
    def paint(_: float, pixels: Bytes) -> None:
        tile(pixels, A, 0)
        tile(pixels, B, 1)

    follower, _, seen = follow(lambda _: [A, B], frames(2, paint))
    assert seen == [[0, 1]] * 8
    assert tiles_of(follower.tracks) == (0, 1)


def test_a_face_that_is_lost_for_a_moment_is_the_same_one() -> None:
    def paint(time: float, pixels: Bytes) -> None:
        tile(pixels, A, 0)
        pixels[200:, 400:] = 90 + 100 * int(time * 4 % 2)  # something flickers, so every frame is looked at

    follower, _, seen = follow(lambda t: [] if 1 <= t < 1.5 else [A], frames(3, paint))
    assert seen[4:6] == [[], []]
    assert {number for ids in seen for number in ids} == {0}
    assert len(follower.tracks) == 1


def test_a_tile_that_shows_somebody_else_is_a_new_track_and_a_new_tile() -> None:
    """Speaker view: one place, one face at a time, and each belongs to another person."""
    follower, _, seen = follow(lambda _: [A], frames(9, lambda t, pixels: tile(pixels, A, 0 if t < 3 or t >= 6 else 1)))
    assert [seen[0], seen[12], seen[24]] == [[0], [1], [2]]
    assert tiles_of(follower.tracks) == (0, 1, 0)


def test_a_flicker_is_no_tile() -> None:
    def paint(time: float, pixels: Bytes) -> None:
        tile(pixels, A, 0)
        pixels[200:, 400:] = 90 + 100 * int(time * 4 % 2)

    follower, _, _ = follow(lambda t: [A, B] if t == 1 else [A], frames(3, paint))
    assert tiles_of(follower.tracks) == (0, -1)


def test_another_resolution_is_a_new_look() -> None:
    small = Frame(0.25, np.full((150, 300, 3), 90, np.uint8))
    _, looks, _ = follow(lambda _: [], [*frames(0.25, lambda _t, _p: None), small])
    assert looks == [0.0, 0.25]
