"""Spectrogram augmentation: vocal-tract and tempo warps, and masked bands and frames."""

from __future__ import annotations

import random  # seeded by the loop

import numpy as np

from shared.engines.features.voice_augmentation import warp_spectrogram
from shared.engines.features.voice_mel import BANDS

VOCAL_TRACT_RANGE, TEMPO_RANGE = 0.12, 0.12  # maximum relative change
MASKED_BANDS, MASKED_FRAMES = 10, 25


def perturb_voice(spectrogram: np.ndarray) -> np.ndarray:
    """Warps vocal-tract length and tempo to imitate more speakers than the few actors."""
    return warp_spectrogram(
        spectrogram,
        random.uniform(1 - VOCAL_TRACT_RANGE, 1 + VOCAL_TRACT_RANGE),
        random.uniform(1 - TEMPO_RANGE, 1 + TEMPO_RANGE),
    )


def mask_spectrogram(spectrogram: np.ndarray) -> np.ndarray:
    spectrogram = spectrogram.copy()
    for _ in range(2):
        width, height = random.randint(0, min(MASKED_FRAMES, len(spectrogram) // 4)), random.randint(0, MASKED_BANDS)
        at, band = random.randint(0, len(spectrogram) - width), random.randint(0, BANDS - height)
        spectrogram[at : at + width] = 0
        spectrogram[:, band : band + height] = 0
    return spectrogram
