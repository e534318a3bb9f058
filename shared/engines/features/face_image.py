"""Normalization of grey face crops for the face network, shared by training and serving."""

from __future__ import annotations

import numpy as np

from shared.ports.media import Bytes, Floats


def scaled(crops: Bytes) -> Floats:  # (face, 1, 48, 48)
    """Scale each crop to mean zero and deviation one: light and contrast depend on the camera."""
    faces = np.asarray(crops, dtype=np.float32)[:, None] / 255
    mean, deviation = faces.mean(axis=(2, 3), keepdims=True), faces.std(axis=(2, 3), keepdims=True, ddof=1)
    return np.asarray((faces - mean) / (deviation + np.float32(1e-3)))
