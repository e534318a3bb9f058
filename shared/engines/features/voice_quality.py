"""Audio quality checks: whether an utterance can be used for voice emotion."""

from __future__ import annotations

import numpy as np

from shared.ports.media import SAMPLE_RATE, Audio, Floats

MIN_SECONDS = 1.0  # seconds; a shorter utterance is not used
MAX_SECONDS = 15.0  # seconds used of one utterance, from the middle
SNR_SECONDS = 6.0  # seconds analysed for noise, from the middle
MIN_SNR = 3.0  # dB
STEP = SAMPLE_RATE // 50


def assess(audio: Audio) -> tuple[str | None, float]:
    """Why the utterance cannot be used, or None, and the reliability of its reading from 0 to 1."""
    if audio.duration < MIN_SECONDS:
        return "too_short", 0.0
    snr = signal_to_noise(audio)
    if snr < MIN_SNR:
        return "low_snr", 0.0
    return None, min(audio.duration / 2, 1.0) * float(np.clip((snr - 5) / 10, 0.0, 1.0))


def signal_to_noise(audio: Audio) -> float:
    """The ratio of loud to quiet frames of an utterance, in dB; a floor of -80 dBFS is silence, not noise."""
    samples = middle(audio, SNR_SECONDS)
    frames = samples[: len(samples) // STEP * STEP].reshape(-1, STEP)
    if len(frames) == 0:
        return 0.0
    levels = np.sqrt(np.square(frames).mean(axis=1)) + 1e-4
    loud, quiet = np.percentile(levels, (90, 10))
    return float(20 * np.log10(loud / quiet))


def middle(audio: Audio, seconds: float = MAX_SECONDS) -> Floats:
    skipped = max(0, len(audio.samples) - round(seconds * SAMPLE_RATE)) // 2
    return np.asarray(audio.samples[skipped : len(audio.samples) - skipped], dtype=np.float32)
