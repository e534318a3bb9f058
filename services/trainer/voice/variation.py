"""What is done to a picture each time it is learnt from: another throat, another pace, and parts of it hidden."""

from __future__ import annotations

import random  # seeded by the loop

import numpy as np

from shared.engines.voice_looks import warped
from shared.engines.voice_mel import BANDS

THROAT, PACE = 0.12, 0.12  # how much longer or shorter, slower or faster, at most
HIDDEN_BANDS, HIDDEN_FRAMES = 10, 25


def another_voice(picture: np.ndarray) -> np.ndarray:
    """As if a longer or a shorter throat had said it, slower or faster: few actors stand for many."""
    return warped(picture, random.uniform(1 - THROAT, 1 + THROAT), random.uniform(1 - PACE, 1 + PACE))


def partly_hidden(picture: np.ndarray) -> np.ndarray:
    picture = picture.copy()
    for _ in range(2):
        width, height = random.randint(0, min(HIDDEN_FRAMES, len(picture) // 4)), random.randint(0, HIDDEN_BANDS)
        at, band = random.randint(0, len(picture) - width), random.randint(0, BANDS - height)
        picture[at : at + width] = 0
        picture[:, band : band + height] = 0
    return picture
