"""Detects frontal faces with OpenCV's bundled cascade: no download, fast, but no profiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import cv2

from shared.domain.error import InvalidRequest
from shared.engines.catalog import Setup
from shared.ports.engines import FaceBox
from shared.ports.media import Frame

MIN_FACE_PIXELS = 48  # pixels; a smaller face carries no emotion, and detecting it takes most of the time
STEP = 1.2  # scale factor between two search sizes
AGREEING = 4  # neighbouring detections needed for a face


class Cascade:
    name = "cascade"
    fingerprint = f"haarcascade_frontalface_default/{cv2.__version__}/{STEP}/{AGREEING}/{MIN_FACE_PIXELS}"

    def __init__(self, threads: int) -> None:
        bundled = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier(str(bundled))
        cv2.setNumThreads(threads)

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if option:
            raise InvalidRequest(f"The cascade has no option {option!r}.")
        return cls(setup.threads)

    def detect(self, frame: Frame) -> Sequence[FaceBox]:
        grey = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY)
        squares, _, weights = self._cascade.detectMultiScale3(
            grey, STEP, AGREEING, 0, (MIN_FACE_PIXELS, MIN_FACE_PIXELS), (0, 0), outputRejectLevels=True
        )
        # Each square is left, top, side, side.
        return [
            _face(*map(float, square[:3]), weight=float(weight))
            for square, weight in zip(squares, weights, strict=True)
        ]


def _face(left: float, top: float, side: float, *, weight: float) -> FaceBox:
    """Convert the cascade's ear-to-ear square to the box of other detectors: cheek width, down to the chin."""
    width, height = 0.8 * side, 1.1 * side
    return FaceBox(
        left=left + (side - width) / 2,
        top=top - 0.05 * side,
        width=width,
        height=height,
        # The margin of the last stage mapped to 0 to 1; not a probability.
        score=1 / (1 + math.exp(-weight)),
    )
