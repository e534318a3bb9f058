"""Detects faces with YuNet, a small network that also detects turned, tilted and partly hidden faces."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from shared.domain.error import EngineFailed, InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.runtime import open_session
from shared.engines.weights.description import find_weights
from shared.engines.weights.installed import folder_of, require_weights
from shared.ports.engines import FaceBox
from shared.ports.media import Bytes, Floats, Frame

SIDE = 640  # pixels: width and height of the network's input
STRIDES = (8, 16, 32)
MIN_SCORE = 0.6  # a box with a lower score is not a face
OVERLAP = 0.3  # two boxes with a higher intersection over union are one face


class YuNet:
    name = "yunet"

    def __init__(self, weights: Path, threads: int) -> None:
        self._session = open_session(weights, threads)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.fingerprint = f"yunet/{hashlib.sha256(weights.read_bytes()).hexdigest()[:16]}/{MIN_SCORE}"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if option:
            raise InvalidRequest(f"YuNet has no option {option!r}.")
        weights = find_weights("yunet")
        (file,) = weights.files
        own = [
            path for path in sorted(folder_of("yunet", setup.engines).glob("*.onnx")) if path.name != file.path
        ]  # an operator's own network
        return cls(own[0] if own else require_weights(weights, setup.engines) / file.path, setup.threads)

    def detect(self, frame: Frame) -> Sequence[FaceBox]:
        picture, scale = _fitted(frame.pixels)
        try:
            values = dict(zip(self._outputs, self._session.run(None, {"input": picture}), strict=True))
        except Fail as error:
            raise EngineFailed(f"YuNet failed on a frame: {error}") from error
        found = np.concatenate([_decoded(values, stride) for stride in STRIDES])
        boxes = found[:, :4] / scale
        selected = cv2.dnn.NMSBoxes(boxes.tolist(), found[:, 4].tolist(), MIN_SCORE, OVERLAP)
        rows = np.asarray(selected, dtype=np.intp).ravel()
        return [FaceBox(*row) for row in np.column_stack([boxes, found[:, 4:]])[rows].tolist()]


def _fitted(pixels: Bytes) -> tuple[Floats, float]:
    """Return the frame in the upper left of the network's square (BGR, 0 to 255) and its scale."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.zeros((1, 3, SIDE, SIDE), dtype=np.float32)
    square[0, :, : size[1], : size[0]] = small[:, :, ::-1].transpose(2, 0, 1)
    return square, scale


def _decoded(values: dict[str, Floats], stride: int) -> Floats:  # (face, 6): left, top, width, height, score, roll
    """Decode the cells of one stride that contain a face, in pixels of the network's square."""
    scores = np.sqrt(values[f"cls_{stride}"][0, :, 0] * values[f"obj_{stride}"][0, :, 0])
    cells = np.flatnonzero(scores > MIN_SCORE)
    corner = np.stack([cells % (SIDE // stride), cells // (SIDE // stride)], axis=1)
    shape = values[f"bbox_{stride}"][0, cells]
    centre, size = (corner + shape[:, :2]) * stride, np.exp(shape[:, 2:]) * stride
    eyes = values[f"kps_{stride}"][0, cells, :4]
    roll = np.arctan2(eyes[:, 3] - eyes[:, 1], eyes[:, 2] - eyes[:, 0])
    return np.column_stack([centre - size / 2, size, scores[cells], roll]).astype(np.float32)
