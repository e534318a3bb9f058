"""Pictures of voices as training sees them: stretched, hidden in part, and still pictures of the same clip."""

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
from shared.engines.voice_mel import BANDS


@pytest.mark.parametrize("frames", [1, 2, 7, 100, 301])
def test_another_voice_has_all_bands_and_about_as_many_frames(frames: int) -> None:
    picture = np.random.default_rng(0).normal(size=(frames, BANDS)).astype(np.float32)
    for seed in range(20):
        random.seed(seed)
        seen = perturb_voice(picture)
        assert seen.shape[1] == BANDS and seen.dtype == np.float32
        assert max(1, int(frames / (1 + TEMPO_RANGE))) <= len(seen) <= frames / (1 - TEMPO_RANGE) + 1
        assert picture.min() - 1e-6 <= seen.min() and seen.max() <= picture.max() + 1e-6


def test_a_longer_throat_moves_a_formant_by_so_much() -> None:
    picture = np.zeros((50, BANDS), dtype=np.float32)
    picture[:, 30] = 1.0
    places = []
    for seed in range(60):
        random.seed(seed)
        places.append(int(perturb_voice(picture).mean(axis=0).argmax()))
    assert min(places) >= 30 / (1 + VOCAL_TRACT_RANGE) - 1 and max(places) <= 30 / (1 - VOCAL_TRACT_RANGE) + 1
    assert max(places) - min(places) >= 4, "it is seldom the same voice"


def test_what_is_hidden_is_little_and_the_clip_itself_stays_whole() -> None:
    picture = np.ones((200, BANDS), dtype=np.float32)
    for seed in range(50):
        random.seed(seed)
        seen = mask_spectrogram(picture)
        assert (seen.max(axis=1) == 0).sum() <= 2 * MASKED_FRAMES
        assert (seen.max(axis=0) == 0).sum() <= 2 * MASKED_BANDS
    assert picture.min() == 1
