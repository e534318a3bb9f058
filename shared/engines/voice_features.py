"""How a voice sounds, in numbers: statistics of its log-mel spectrum, its loudness and its pitch."""

from __future__ import annotations

import numpy as np

from shared.engines.mel import mel_power
from shared.ports.media import SAMPLE_RATE, Floats

BANDS = 40
FRAME = 640  # samples in which pitch is looked for
LOWEST, HIGHEST = 70, 400  # Hz


def voice_statistics(samples: Floats) -> Floats:  # (feature,)
    """Independent of level: the peak is lifted to one, and the loudest tenth is the measure of the rest."""
    samples = samples / max(float(np.abs(samples).max(initial=0.0)), 1e-6)
    mel = np.log(mel_power(samples, bands=BANDS, low=50.0, high=7600.0) + 1e-8)
    loudness = mel.mean(axis=1)
    voiced = mel[loudness > np.percentile(loudness, 90) - 4.0]
    voiced = voiced - np.percentile(loudness, 90)
    change = np.diff(voiced, axis=0) if len(voiced) > 1 else np.zeros_like(voiced)
    contour = voiced.mean(axis=1)
    pitch = _pitch(samples)
    return np.concatenate(
        [
            voiced.mean(axis=0),
            voiced.std(axis=0),
            np.abs(change).mean(axis=0),
            np.percentile(contour, (10, 50, 90)),
            [contour.std(), np.abs(np.diff(contour)).mean() if len(contour) > 1 else 0.0, len(voiced) / len(mel)],
            pitch,
        ]
    ).astype(np.float32)


def _pitch(samples: Floats) -> Floats:
    """Level, spread and movement of the fundamental, in octaves above 100 Hz, by autocorrelation."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (0, FRAME)), FRAME)[:: FRAME // 2]
    frames = frames - frames.mean(axis=1, keepdims=True)
    energy = np.square(frames).sum(axis=1)
    frames = frames[energy > 0.05 * np.percentile(energy, 95)]
    spectrum = np.abs(np.fft.rfft(frames, 2 * FRAME, axis=1)) ** 2
    correlation = np.fft.irfft(spectrum, axis=1)[:, :FRAME]
    correlation = correlation / np.maximum(correlation[:, :1], 1e-9)
    first, last = SAMPLE_RATE // HIGHEST, SAMPLE_RATE // LOWEST
    lags = correlation[:, first:last].argmax(axis=1) + first
    sure = correlation[np.arange(len(lags)), lags] > 0.4
    if sure.sum() < 3:
        return np.zeros(6, dtype=np.float32)
    octaves = np.log2(SAMPLE_RATE / lags[sure] / 100.0)
    steps = np.abs(np.diff(octaves))
    return np.array(
        [octaves.mean(), octaves.std(), *np.percentile(octaves, (10, 90)), steps.mean(), sure.mean()], dtype=np.float32
    )
