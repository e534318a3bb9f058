"""One utterance as others would have said it: training hears such voices, and serving asks about several of them."""

from __future__ import annotations

import numpy as np

from shared.engines.voice_mel import windows
from shared.ports.media import Floats

AUGMENTATIONS = ((1.0, 1.0), (0.93, 1.0), (1.07, 1.0), (1.0, 0.92), (1.0, 1.08))  # throat and pace


def augmented_windows(picture: Floats) -> list[Floats]:
    """Windows of the utterance as it is, from other throats and at other paces: their mean errs less than one does."""
    return [
        window
        for vocal_tract_scale, tempo in AUGMENTATIONS
        for window in windows(warp_spectrogram(picture, vocal_tract_scale, tempo))
    ]


def warp_spectrogram(picture: Floats, vocal_tract_scale: float, tempo: float) -> Floats:
    """As if a throat so much longer had said it so much faster."""
    bands = _stretched(picture.T, vocal_tract_scale, picture.shape[1]).T
    return np.ascontiguousarray(_stretched(bands, tempo, max(1, round(len(bands) / tempo))))


def _stretched(rows: Floats, factor: float, count: int) -> Floats:
    """Row n of the answer lies at n times the factor; beyond the end the last row goes on."""
    if factor == 1.0:
        return rows
    at = np.minimum(np.arange(count) * factor, len(rows) - 1)
    low = at.astype(int)
    part = (at - low).astype(rows.dtype)[:, None]
    return np.asarray(rows[low] * (1 - part) + rows[np.minimum(low + 1, len(rows) - 1)] * part)
