"""OpenCV's cascade of Haar features, which its wheel carries: frontal faces, found anywhere, missed when they turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from shared.domain.error import EngineUnavailable
from shared.engines.catalog import Setup
from shared.ports.engines import FaceBox
from shared.ports.media import Frame

SMALLEST = 48  # pixels
SURE = 8.0  # the weight of a cascade's last stage from which a face is certain
LEAST = 1.0


@dataclass(frozen=True, slots=True)
class Cascade:
    classifier: Any
    name: str = "opencv-cascade"
    fingerprint: str = f"frontalface-default-{cv2.__version__}"
    note: str = "Finds frontal faces only."

    @classmethod
    def load(cls, _option: str | None, _setup: Setup) -> Cascade:
        path = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
        classifier = cv2.CascadeClassifier(str(path)) if path.is_file() else None
        if classifier is None or classifier.empty():
            raise EngineUnavailable("OpenCV came without its cascades.", mend="make install")
        return cls(classifier)

    def detect(self, frame: Frame) -> Sequence[FaceBox]:
        grey = cv2.equalizeHist(cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY))
        boxes, _, weights = self.classifier.detectMultiScale3(
            grey, scaleFactor=1.15, minNeighbors=6, minSize=(SMALLEST, SMALLEST), outputRejectLevels=True
        )
        return [
            FaceBox(float(left), float(top), float(width), float(height), float(np.clip(weight / SURE, 0.0, 1.0)))
            for (left, top, width, height), weight in zip(boxes, np.ravel(weights), strict=True)
            if weight >= LEAST
        ]
