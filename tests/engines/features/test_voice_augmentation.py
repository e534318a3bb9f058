"""Test-time augmentation of the voice network."""

from __future__ import annotations

import numpy as np

from shared.engines.features.voice_augmentation import AUGMENTATIONS, augmented_windows, warp_spectrogram
from shared.engines.features.voice_mel import BANDS, WINDOW


def ramp(frames: int) -> np.ndarray:
    """A spectrogram that increases with band and time."""
    return (np.arange(BANDS)[None] + 100 * np.arange(frames)[:, None]).astype(np.float32)


def test_first_augmentation_is_the_original() -> None:
    spectrogram = ramp(100)
    augmented = augmented_windows(spectrogram)
    assert len(augmented) == len(AUGMENTATIONS)
    assert np.array_equal(augmented[0], spectrogram)
    assert [len(window) for window in augmented] == [100, 100, 100, round(100 / 0.92), round(100 / 1.08)]


def test_long_and_short_utterances_are_augmented() -> None:
    assert max(len(window) for window in augmented_windows(ramp(4 * WINDOW))) == WINDOW
    assert all(len(window) >= 1 and window.dtype == np.float32 for window in augmented_windows(ramp(1)))


def test_vocal_tract_scale_moves_bands_and_tempo_moves_time() -> None:
    spectrogram = ramp(100)
    longer = warp_spectrogram(spectrogram, 1.07, 1.0)
    assert np.allclose(longer[:, 10], spectrogram[:, 10] + 0.7) and longer[0, -1] == BANDS - 1
    faster = warp_spectrogram(spectrogram, 1.0, 1.08)
    assert np.allclose(faster[10], spectrogram[10] + 80, atol=1e-2)
