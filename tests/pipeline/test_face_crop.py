from __future__ import annotations

import math

import numpy as np
import pytest

from shared.pipeline.face_crop import CROP, cut_square, likeness, mouth_motion, normalised, sharpness
from shared.ports.engines import FaceBox
from shared.ports.media import Bytes
from tests.synthetic_faces import blank, draw_face


def face(mouth: float = 0.0, column: int = 200, *, light: float = 1.0) -> Bytes:
    pixels = blank()
    draw_face(pixels, column, 180, 120, mouth=mouth)
    return cut_square((pixels * light).astype(np.uint8), FaceBox(140, 115, 120, 150, 1.0))


def test_crop_has_the_face_in_the_centre_with_a_margin() -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[60:160, 100:200] = 255
    crop = cut_square(pixels, FaceBox(100, 60, 100, 100, 1.0))
    bright = crop > 127
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    assert crop.shape == (CROP, CROP)
    assert len(rows) == len(columns) == round(CROP / 1.15)
    assert rows[0] + rows[-1] == columns[0] + columns[-1] == CROP - 1


def test_detail_finer_than_a_pixel_is_averaged() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[::2] = 200
    crop = cut_square(pixels, FaceBox(0, 0, 150, 150, 1.0), margin=1.0)
    assert abs(float(crop.mean()) - 100) < 8


def test_roll_is_corrected() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    rows, columns = np.mgrid[:200, :200] - 100
    pixels[np.abs(rows - np.tan(0.4) * columns) < 8] = 255  # a bar that leans clockwise by 0.4
    crop = cut_square(pixels, FaceBox(60, 60, 80, 80, 1.0, roll=0.4))
    assert (crop[CROP // 2 - 2 : CROP // 2 + 2] > 200).all()
    assert (crop[: CROP // 4] == 0).all()


def test_edge_is_repeated_outside_the_frame() -> None:
    pixels = np.full((100, 100, 3), 77, np.uint8)
    assert (cut_square(pixels, FaceBox(-40, 70, 60, 60, 1.0)) == 77).all()


def test_blurred_image_is_less_sharp() -> None:
    crisp = np.random.default_rng(0).integers(0, 255, (CROP, CROP)).astype(np.uint8)
    soft = np.repeat(np.repeat(crisp[::8, ::8], 8, axis=0), 8, axis=1)
    assert sharpness(crisp) > 2 * sharpness(soft)
    assert sharpness(np.full((CROP, CROP), 9, np.uint8)) == 0


def test_opening_mouth_has_more_motion_than_resting_mouth() -> None:
    assert mouth_motion(face(1.0), face(0.0)) > 5 * mouth_motion(face(0.0), face(0.0)) + 0.1


def test_light_and_head_movement_are_not_mouth_motion() -> None:
    opened = mouth_motion(face(1.0), face(0.0))
    assert mouth_motion(face(light=0.7), face()) < opened / 4
    assert mouth_motion(face(column=204), face()) < opened / 2


def test_likeness_ignores_light_and_distinguishes_images() -> None:
    one, other = np.random.default_rng(0).integers(0, 255, (2, 16, 16)).astype(np.uint8)
    assert likeness(one, (one // 2 + 40).astype(np.uint8)) == pytest.approx(1, abs=0.01)
    assert abs(likeness(one, other)) < 0.3


def test_blank_image_stays_blank() -> None:
    assert not normalised(np.full((4, 4), 50, np.uint8)).any()
    assert math.isfinite(mouth_motion(np.zeros((CROP, CROP), np.uint8), np.zeros((CROP, CROP), np.uint8)))
