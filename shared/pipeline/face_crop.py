"""Crops faces from frames, and measures their sharpness and mouth motion."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from shared.ports.engines import FaceBox
from shared.ports.media import Bytes, Floats

CROP = 48  # pixels per side: the input size of face networks trained on FER2013
MARGIN = 1.15  # relative to the size of the face
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
SHIFT = 2  # pixels of head movement between two frames that are compensated


def cut_square(pixels: Bytes, box: FaceBox, *, margin: float = MARGIN, size: int = CROP) -> Bytes:  # (size, size)
    """The face as an upright grey square; outside the frame, the edge pixels are repeated.

    Area averaging: the square is oversampled, and neighbouring samples are averaged.
    """
    side = margin * float(np.sqrt(box.width * box.height))
    fine = int(np.clip(round(side / size), 2, 3))
    steps = ((np.arange(size * fine, dtype=np.float32) + 0.5) / (size * fine) - 0.5) * side
    across, down = math.cos(box.roll) * steps, math.sin(box.roll) * steps
    columns = box.left + box.width / 2 + across[None, :] - down[:, None]
    rows = box.top + box.height / 2 + down[None, :] + across[:, None]
    height, width = pixels.shape[:2]
    flat = np.clip(rows, 0, height - 1).astype(np.int32) * width + np.clip(columns, 0, width - 1).astype(np.int32)
    samples = pixels.reshape(-1, 3).take(flat, axis=0).reshape(size, fine, size, fine, 3)
    # The sum of so few samples fits into 16 bits.
    total = samples.sum(axis=3, dtype=np.uint16).sum(axis=1, dtype=np.uint16)
    return np.asarray(np.rint(total @ (LUMA / fine**2)), dtype=np.uint8)


def sharpness(crop: Bytes) -> float:
    """The variance of the Laplacian, which is low for blurred or over-compressed images."""
    grey = crop.astype(np.float32)
    centre = grey[1:-1, 1:-1]
    return float((grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre).var())


def mouth_motion(now: Bytes, before: Bytes) -> float:
    """The change of the lower third between two crops of one face, after compensation of head movement."""
    inner = normalised(now)[SHIFT:-SHIFT, SHIFT:-SHIFT]
    moved = sliding_window_view(normalised(before), inner.shape)  # (down, across, row, column)
    change = np.abs(moved - inner)
    mouth = CROP * 2 // 3 - SHIFT
    # The upper part determines the head movement, because brows and eyes move less than the mouth.
    head = change[:, :, :mouth].mean(axis=(2, 3))
    return float(change[:, :, mouth:].mean(axis=(2, 3)).flat[head.argmin()])


def likeness(one: Bytes, other: Bytes) -> float:
    """The correlation of two images, -1 to 1, independent of brightness and contrast."""
    return float((normalised(one) * normalised(other)).mean())


def normalised(picture: npt.NDArray[np.generic]) -> Floats:
    """The image with zero mean and unit deviation; a blank image stays blank."""
    values = picture.astype(np.float32)
    centred = values - values.mean()
    deviation = float(centred.std())
    return np.asarray(centred / deviation if deviation > 0 else centred, dtype=np.float32)
