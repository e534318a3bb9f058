"""The pictures that the voice network is asked about for one utterance."""

from __future__ import annotations

import numpy as np

from shared.engines.voice_augmentation import AUGMENTATIONS, augmented_windows, warp_spectrogram
from shared.engines.voice_mel import BANDS, WINDOW


def ramp(frames: int) -> np.ndarray:
    """Rises with the band, and with time."""
    return (np.arange(BANDS)[None] + 100 * np.arange(frames)[:, None]).astype(np.float32)


def test_the_first_look_is_the_utterance_as_it_is() -> None:
    picture = ramp(100)
    seen = augmented_windows(picture)
    assert len(seen) == len(AUGMENTATIONS)
    assert np.array_equal(seen[0], picture)
    assert [len(look) for look in seen] == [100, 100, 100, round(100 / 0.92), round(100 / 1.08)]


def test_long_and_tiny_utterances_are_seen_whole() -> None:
    assert max(len(look) for look in augmented_windows(ramp(4 * WINDOW))) == WINDOW
    assert all(len(look) >= 1 and look.dtype == np.float32 for look in augmented_windows(ramp(1)))


def test_a_throat_moves_bands_and_a_pace_moves_time() -> None:
    picture = ramp(100)
    longer = warp_spectrogram(picture, 1.07, 1.0)
    assert np.allclose(longer[:, 10], picture[:, 10] + 0.7) and longer[0, -1] == BANDS - 1
    faster = warp_spectrogram(picture, 1.0, 1.08)
    assert np.allclose(faster[10], picture[10] + 80, atol=1e-2)
