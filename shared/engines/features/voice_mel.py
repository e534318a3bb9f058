"""Log-mel spectrograms of a voice, normalized for level and speaker, shared by training and serving."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared.engines.features.mel import mel_power
from shared.ports.media import SAMPLE_RATE, Floats

BANDS = 64
FRAMES_PER_SECOND = 100
EMPHASIS = 0.97
SILENCE = 30.0  # dB below the loudest frame; quieter audio at both ends is trimmed
KNOWN = 10.0  # seconds of one voice needed to estimate its mean and deviation
WINDOW, HOP = 300, 150  # frames per window and frames between windows in a long utterance
FRAME = SAMPLE_RATE // 50


def log_mel(samples: Floats, *, bands: int = BANDS, size: int = 512) -> Floats:  # (frame, band)
    samples = trimmed(np.asarray(samples, dtype=np.float32))
    samples = samples * np.float32(0.9 / max(float(np.abs(samples).max(initial=0.0)), 1e-5))
    emphasised = np.append(samples[:1], samples[1:] - EMPHASIS * samples[:-1])
    power = mel_power(emphasised, bands=bands, low=50.0, high=7600.0, size=size)
    return np.asarray(np.log(power + 1e-6), dtype=np.float32)


def trimmed(samples: Floats) -> Floats:
    """Trim the silence before and after."""
    if len(samples) < FRAME:
        return samples
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.square(frames).mean(axis=1)
    loud = np.flatnonzero(levels >= levels.max() * 10 ** (-SILENCE / 10))
    return samples[loud[0] * FRAME : (loud[-1] + 1) * FRAME]


Scale = tuple[Floats, Floats]  # mean and deviation, each (band,)


def scale_of(pictures: list[Floats]) -> Scale:
    frames = np.concatenate(pictures)
    return frames.mean(axis=0), frames.std(axis=0) + np.float32(1e-3)


def scaled(picture: Floats, voice: Scale | None) -> Floats:
    """Normalize by the scale of the voice, else by that of the utterance."""
    mean, deviation = voice or scale_of([picture])
    return (picture - mean) / deviation


def voice_scale(pictures: list[Floats]) -> Scale | None:
    """Return mean and deviation of one speaker, or None if there is too little speech."""
    frames = sum(len(picture) for picture in pictures)
    return scale_of(pictures) if frames >= KNOWN * FRAMES_PER_SECOND else None


def windows(picture: Floats) -> list[Floats]:
    """Return the whole utterance, or overlapping windows of a long one including its end."""
    if len(picture) <= WINDOW:
        return [picture]
    starts = [*range(0, len(picture) - WINDOW, HOP), len(picture) - WINDOW]
    return [picture[start : start + WINDOW] for start in starts]


def stacked(pictures: Sequence[Floats]) -> tuple[Floats, np.ndarray]:
    """Pad to the longest and return the mask of valid frames: (spectrogram, frame, band) and (spectrogram, frame)."""
    longest = max(len(picture) for picture in pictures)
    mels = np.zeros((len(pictures), longest, BANDS), dtype=np.float32)
    mask = np.zeros((len(pictures), longest), dtype=bool)
    for row, picture in enumerate(pictures):
        mels[row, : len(picture)], mask[row, : len(picture)] = picture, True
    return mels, mask
