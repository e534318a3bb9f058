"""Vocal-tract and tempo augmentation of spectrograms, for training and for test-time augmentation."""

from __future__ import annotations

import numpy as np

from shared.engines.features.voice_mel import windows
from shared.ports.media import Floats

AUGMENTATIONS = ((1.0, 1.0), (0.93, 1.0), (1.07, 1.0), (1.0, 0.92), (1.0, 1.08))  # vocal-tract scale and tempo


def augmented_windows(picture: Floats) -> list[Floats]:
    """Return windows of the utterance for every augmentation; the mean prediction is more accurate than one."""
    return [
        window
        for vocal_tract_scale, tempo in AUGMENTATIONS
        for window in windows(warp_spectrogram(picture, vocal_tract_scale, tempo))
    ]


def warp_spectrogram(picture: Floats, vocal_tract_scale: float, tempo: float) -> Floats:
    """Scale the frequency axis by the vocal-tract scale and the time axis by the tempo."""
    bands = _resampled(picture.T, vocal_tract_scale, picture.shape[1]).T
    return np.ascontiguousarray(_resampled(bands, tempo, max(1, round(len(bands) / tempo))))


def _resampled(rows: Floats, factor: float, count: int) -> Floats:
    """Resample the rows at multiples of the factor; beyond the end the last row is repeated."""
    if factor == 1.0:
        return rows
    at = np.minimum(np.arange(count) * factor, len(rows) - 1)
    low = at.astype(int)
    part = (at - low).astype(rows.dtype)[:, None]
    return np.asarray(rows[low] * (1 - part) + rows[np.minimum(low + 1, len(rows) - 1)] * part)
