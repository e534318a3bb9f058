"""Contract tests of face detectors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from shared.engines.catalog import Setup
from shared.engines.faces_cascade import Cascade
from shared.engines.faces_yunet import YuNet
from shared.engines.settings import EngineSettings, MediaSettings
from shared.ports.engines import FaceDetector
from shared.ports.media import Frame
from tests.synthetic_faces import blank, draw_face


def setup(models: Path) -> Setup:
    return Setup(engines=EngineSettings(models_dir=models, threads=1), media=MediaSettings())


@pytest.fixture(scope="module", params=["cascade", "yunet"])
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FaceDetector:
    models = tmp_path_factory.mktemp("models")
    if request.param == "cascade":
        return Cascade.load(None, setup(models))
    weights = (
        Path(os.environ.get("UNDERTONE_SHARED_DATA", "../shared/data"))
        / ".."
        / "models"
        / "face_detection_yunet_640.onnx"
    )
    if not weights.is_file():
        pytest.skip("YuNet's weights are missing; set UNDERTONE_SHARED_DATA to a folder next to models/")
    (models / "yunet").mkdir()
    (models / "yunet" / weights.name).symlink_to(weights.resolve())
    return YuNet.load(None, setup(models))


@pytest.mark.parametrize(("width", "height"), [(960, 540), (640, 360), (360, 640)])
def test_face_is_detected_at_its_position(detector: FaceDetector, width: int, height: int) -> None:
    pixels = blank(height, width)
    draw_face(pixels, 200, 170, 100)
    (face,) = detector.detect(Frame(0.0, pixels))
    assert face.left + face.width / 2 == pytest.approx(200, abs=12)
    assert face.top + face.height / 2 == pytest.approx(175, abs=20)
    assert 70 < face.width < face.height < 150
    assert 0.5 < face.score <= 1
    assert abs(face.roll) < 0.1


def test_faces_in_all_tiles_of_a_gallery_view_are_detected(detector: FaceDetector) -> None:
    pixels = blank(540, 960)
    centres = [(240, 130), (720, 130), (240, 400), (720, 400)]
    for column, row in centres:
        draw_face(pixels, column, row, 110)
    found = {
        (box.left + box.width / 2 > 480, box.top + box.height / 2 > 270) for box in detector.detect(Frame(0, pixels))
    }
    assert len(found) == 4


def test_blank_frame_and_noise_have_no_faces(detector: FaceDetector) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (360, 640, 3)).astype(np.uint8)
    assert list(detector.detect(Frame(0.0, blank()))) == []
    assert list(detector.detect(Frame(0.0, noise))) == []


def test_same_frame_gives_the_same_boxes(detector: FaceDetector) -> None:
    pixels = blank()
    draw_face(pixels, 300, 180, 140)
    assert list(detector.detect(Frame(0.0, pixels))) == list(detector.detect(Frame(9.0, pixels)))


def test_fingerprint_contains_the_detector_name(detector: FaceDetector) -> None:
    assert detector.name in detector.fingerprint or "haarcascade" in detector.fingerprint
