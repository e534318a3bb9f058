"""Finds frontal faces with the cascade that OpenCV carries: nothing to fetch, quick, and blind to profiles."""

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

MIN_FACE_PIXELS = 48  # pixels: a smaller face says nothing about emotion, and searching for it costs most of the time
STEP = 1.2  # between two sizes searched
AGREEING = 4  # neighbouring hits that make a face


class Cascade:
    name = "cascade"
    fingerprint = f"haarcascade_frontalface_default/{cv2.__version__}/{STEP}/{AGREEING}/{MIN_FACE_PIXELS}"

    def __init__(self, threads: int) -> None:
        carried = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier(str(carried))
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
    """The cascade's square spans ear to ear; faces elsewhere are as wide as the cheeks and end at the chin."""
    width, height = 0.8 * side, 1.1 * side
    return FaceBox(
        left=left + (side - width) / 2,
        top=top - 0.05 * side,
        width=width,
        height=height,
        # How far the last stage was passed; squeezed into 0 to 1, it is no probability.
        score=1 / (1 + math.exp(-weight)),
    )
