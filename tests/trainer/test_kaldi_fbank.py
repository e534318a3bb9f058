"""The filter banks of published speaker encoders are those of torchaudio, with which they were trained."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")
kaldi = pytest.importorskip("torchaudio.compliance.kaldi", reason="torchaudio is not installed")

from shared.engines.features.kaldi_fbank import BANDS, fbank  # noqa: E402
from shared.ports.media import SAMPLE_RATE  # noqa: E402


@pytest.mark.parametrize("scale", [1, 32768])
@pytest.mark.parametrize("level", [0.3, 0.001])
@pytest.mark.parametrize("length", [400, 6_400, 25_600, 25_999])
@pytest.mark.parametrize("window", ["hamming", "povey"])
def test_filter_banks_equal_those_of_torchaudio(
    window: Literal["hamming", "povey"], length: int, level: float, scale: int
) -> None:
    random = np.random.default_rng(length)
    times = np.arange(length) / SAMPLE_RATE
    wave = np.sin(2 * np.pi * 220 * times) + random.normal(0, 0.1, length) + 0.05
    sound = (level * scale * wave).astype(np.float32)
    expected = kaldi.fbank(
        torch.from_numpy(sound)[None], num_mel_bins=BANDS, sample_frequency=SAMPLE_RATE, dither=0.0, window_type=window
    ).numpy()
    found = fbank(sound, window)
    assert found.shape == expected.shape == (1 + (length - 400) // 160, BANDS)
    assert found == pytest.approx(expected, abs=2e-3)
