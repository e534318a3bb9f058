"""Mel spectrograms in NumPy, shared by training and serving."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from shared.ports.media import SAMPLE_RATE, Floats


def to_mel(hertz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Convert to the mel scale of Slaney's Auditory Toolbox: linear below 1 kHz, logarithmic above."""
    hertz = np.asarray(hertz, dtype=np.float64)
    above = 15.0 + np.log(np.maximum(hertz, 1.0) / 1000.0) / (np.log(6.4) / 27.0)
    return np.where(hertz < 1000.0, hertz * 3.0 / 200.0, above)


def to_hertz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))


@lru_cache(maxsize=8)
def filters(bands: int, window: int, low: float, high: float) -> Floats:  # (band, bin)
    """Triangular filters on the mel scale, normalized to the same area."""
    bins = np.linspace(0.0, SAMPLE_RATE / 2, window // 2 + 1)
    corners = to_hertz(np.linspace(to_mel(low), to_mel(high), bands + 2))
    rise = (bins[None] - corners[:-2, None]) / np.diff(corners)[:-1, None]
    fall = (corners[2:, None] - bins[None]) / np.diff(corners)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rise, fall))
    return (triangles * (2.0 / (corners[2:] - corners[:-2]))[:, None]).astype(np.float32)


def mel_power(
    samples: Floats,
    *,
    bands: int,
    window: int = 400,
    hop: int = 160,
    low: float = 0.0,
    high: float = 8000.0,
    size: int | None = None,
) -> Floats:  # (frame, band)
    """Power in mel bands; frame n is centred on sample n x hop. A `size` above the window makes the bins finer."""
    padded = np.pad(np.asarray(samples, dtype=np.float32), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    hann = np.hanning(window + 1)[:-1].astype(np.float32)
    spectrum = np.fft.rfft(frames * hann, size or window, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return power @ filters(bands, size or window, low, high).T
