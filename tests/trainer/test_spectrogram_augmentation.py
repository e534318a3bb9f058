"""Spectrogram augmentation warps and masks without changing the value range or the source."""

from __future__ import annotations

import random

import numpy as np
import pytest

from services.trainer.voice.spectrogram_augmentation import (
    MASKED_BANDS,
    MASKED_FRAMES,
    TEMPO_RANGE,
    VOCAL_TRACT_RANGE,
    mask_spectrogram,
    perturb_voice,
)
from shared.engines.features.voice_mel import BANDS


@pytest.mark.parametrize("frames", [1, 2, 7, 100, 301])
def test_a_warp_keeps_the_bands_and_about_the_number_of_frames(frames: int) -> None:
    spectrogram = np.random.default_rng(0).normal(size=(frames, BANDS)).astype(np.float32)
    for seed in range(20):
        random.seed(seed)
        warped = perturb_voice(spectrogram)
        assert warped.shape[1] == BANDS and warped.dtype == np.float32
        assert max(1, int(frames / (1 + TEMPO_RANGE))) <= len(warped) <= frames / (1 - TEMPO_RANGE) + 1
        assert spectrogram.min() - 1e-6 <= warped.min() and warped.max() <= spectrogram.max() + 1e-6


def test_a_vocal_tract_warp_moves_a_formant_within_its_range() -> None:
    spectrogram = np.zeros((50, BANDS), dtype=np.float32)
    spectrogram[:, 30] = 1.0
    bands = []
    for seed in range(60):
        random.seed(seed)
        bands.append(int(perturb_voice(spectrogram).mean(axis=0).argmax()))
    assert min(bands) >= 30 / (1 + VOCAL_TRACT_RANGE) - 1 and max(bands) <= 30 / (1 - VOCAL_TRACT_RANGE) + 1
    assert max(bands) - min(bands) >= 4, "the warps differ"


def test_masking_is_limited_and_does_not_change_the_source() -> None:
    spectrogram = np.ones((200, BANDS), dtype=np.float32)
    for seed in range(50):
        random.seed(seed)
        masked = mask_spectrogram(spectrogram)
        assert (masked.max(axis=1) == 0).sum() <= 2 * MASKED_FRAMES
        assert (masked.max(axis=0) == 0).sum() <= 2 * MASKED_BANDS
    assert spectrogram.min() == 1
