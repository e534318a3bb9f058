"""Log-mel spectrograms for segmentation, normalized for level and microphone, shared by training and serving."""

from __future__ import annotations

import numpy as np

from shared.engines.features.mel import mel_power
from shared.ports.media import SAMPLE_RATE, Floats

BANDS = 64
HOP = 320  # samples from one spectrogram frame to the next
SHRINKS = 2  # spectrogram frames per network output
STEP = HOP * SHRINKS  # samples per network output
WINDOW = 10 * SAMPLE_RATE  # samples per network window
EMPHASIS = np.float32(0.97)
FAINTEST = 1e-11  # power floor, below the last of 16 bits
SPREAD = np.float32(2.0)  # nepers per unit


def log_mel(samples: Floats) -> Floats:  # (frame, band)
    """Compute one frame for every whole hop, at least one; every band has mean 0 over the spectrogram."""
    samples = np.asarray(samples, dtype=np.float32)
    emphasised = np.append(samples[:1], samples[1:] - EMPHASIS * samples[:-1])
    power = mel_power(emphasised, bands=BANDS, window=512, hop=HOP, low=50.0, high=7600.0)
    picture = np.log(power[: max(1, len(samples) // HOP)] + np.float32(FAINTEST))
    return np.asarray((picture - picture.mean(axis=0)) / SPREAD, dtype=np.float32)
