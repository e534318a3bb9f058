"""Cut faces out of frames, and measure how sharp they are and how much their mouths move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shared.ports.engines import FaceBox
from shared.ports.media import Bytes, Floats

CROP = 48  # pixels, each way: what face networks trained on FER2013 eat
MARGIN = 1.15  # of the face's own size
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
SHIFT = 2  # pixels of a crop that a head may move between two frames and still be aligned


def cut_square(pixels: Bytes, box: FaceBox, *, margin: float = MARGIN, size: int = CROP) -> Bytes:  # (size, size)
    """The face as an upright grey square; where it leaves the frame, the frame's edge goes on.

    Area averaging: the square is sampled more finely than it is shown, and neighbours are averaged.
    """
    side = margin * float(np.sqrt(box.width * box.height))
    fine = int(np.clip(round(side / size), 2, 4))
    steps = ((np.arange(size * fine) + 0.5) / (size * fine) - 0.5) * side
    across, down = np.cos(box.roll) * steps, np.sin(box.roll) * steps
    columns = box.left + box.width / 2 + across[None, :] - down[:, None]
    rows = box.top + box.height / 2 + down[None, :] + across[:, None]
    height, width = pixels.shape[:2]
    samples = pixels[np.clip(rows, 0, height - 1).astype(np.intp), np.clip(columns, 0, width - 1).astype(np.intp)]
    grey = samples.astype(np.float32) @ LUMA
    return np.asarray(np.rint(grey.reshape(size, fine, size, fine).mean(axis=(1, 3))), dtype=np.uint8)


def sharpness(crop: Bytes) -> float:
    """The variance of the Laplacian: low where the picture is out of focus or over-compressed."""
    grey = crop.astype(np.float32)
    centre = grey[1:-1, 1:-1]
    return float((grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre).var())


def mouth_motion(now: Bytes, before: Bytes) -> float:
    """How much the lower third changed between two crops of one face, once the head's own move is taken out."""
    current, previous = normalised(now), normalised(before)
    mouth = CROP * 2 // 3
    inner = slice(SHIFT, -SHIFT)
    best, motion = np.inf, 0.0
    for down in range(-SHIFT, SHIFT + 1):
        for across in range(-SHIFT, SHIFT + 1):
            moved = np.roll(previous, (down, across), axis=(0, 1))
            change = np.abs(current - moved)[inner, inner]
            # The upper part decides how the head moved: brows and eyes say less than the mouth does.
            head = float(change[: mouth - SHIFT].mean())
            if head < best:
                best, motion = head, float(change[mouth - SHIFT :].mean())
    return motion


def likeness(one: Bytes, other: Bytes) -> float:
    """The correlation of two pictures, -1 to 1; light and contrast do not matter."""
    return float((normalised(one) * normalised(other)).mean())


def normalised(picture: npt.NDArray[np.generic]) -> Floats:
    """Zero mean, unit deviation; a blank picture stays blank."""
    values = picture.astype(np.float32)
    centred = values - values.mean()
    deviation = float(centred.std())
    return np.asarray(centred / deviation if deviation > 0 else centred, dtype=np.float32)
