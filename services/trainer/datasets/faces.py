"""Readers of face images with their perceived emotion, as grey squares of 48 pixels."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from services.trainer.labels import NUMBER
from shared.domain.emotion import Emotion
from shared.domain.error import InvalidRequest
from shared.pipeline.face_crop import CROP, cut_square
from shared.ports.engines import FaceDetector
from shared.ports.media import Bytes, Frame

MAX_CROP = 2 * CROP  # pixels; a face is detected in larger images, which show more than a face


def read_faces(path: Path, layout: str, detector: FaceDetector) -> tuple[Bytes, np.ndarray]:
    """Crops (face, 48, 48) and labels (face,)."""
    return _csv(path, detector) if layout == "csv" else read_fer2013(path)


def read_fer2013(path: Path) -> tuple[Bytes, np.ndarray]:
    """An archive with `images`, `labels` and `label_names`."""
    with np.load(path) as archive:
        names = [str(name) for name in archive["label_names"]]
        order = np.array([NUMBER[Emotion(name)] for name in names])
        return archive["images"], order[archive["labels"].astype(int)]


def _csv(path: Path, detector: FaceDetector) -> tuple[Bytes, np.ndarray]:
    """Columns path (relative to the table) and label."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    crops = [_crop(path.parent / row["path"], detector) for row in rows]
    return np.stack(crops), np.array([NUMBER[Emotion(row["label"])] for row in rows])


def _crop(path: Path, detector: FaceDetector) -> Bytes:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise InvalidRequest(f"{path.name} is not a readable image.")
    pixels = np.asarray(picture, dtype=np.uint8)
    if max(pixels.shape[:2]) > MAX_CROP:
        found = detector.detect(Frame(0.0, pixels))
        if found:
            return cut_square(pixels, max(found, key=lambda box: box.score * box.width * box.height))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (CROP, CROP), interpolation=cv2.INTER_AREA), dtype=np.uint8)
