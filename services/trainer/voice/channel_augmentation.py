"""Simulates rooms, transmission channels and noise; one augmentation per speaker, as in one meeting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.signal import butter as butterworth
from scipy.signal import fftconvolve, resample_poly, sosfilt

from shared.ports.media import SAMPLE_RATE, Floats

Augmentation = Callable[[Floats, np.random.Generator], Floats]


def speed(up: int, down: int) -> Augmentation:
    return lambda clip, _: np.asarray(resample_poly(clip, down, up), dtype=np.float32)


def telephone_band(clip: Floats) -> Floats:
    """Keeps 300 to 3400 Hz."""
    band = butterworth(4, (300, 3400), "bandpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(band, clip), dtype=np.float32)


def telephone(clip: Floats, _: np.random.Generator) -> Floats:
    """Band-limits and quantises with 8-bit mu-law."""
    narrow = telephone_band(clip)
    narrow = narrow / max(float(np.abs(narrow).max()), 1e-6)
    companded = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    coarse = np.round(companded * 127) / 127
    return np.asarray(np.sign(coarse) * (np.power(256, np.abs(coarse)) - 1) / 255, dtype=np.float32)


def reverberate(seconds: float) -> Augmentation:
    """Adds a tail with an exponential decay of 60 dB in the given time to the direct sound."""

    def apply(clip: Floats, draw: np.random.Generator) -> Floats:
        length = int(seconds * SAMPLE_RATE)
        tail = draw.normal(size=length) * np.exp(-6.9 * np.arange(length) / length)
        tail *= 0.6 / np.sqrt(np.square(tail).sum())
        tail[0] = 1.0
        return np.asarray(fftconvolve(clip, tail)[: len(clip) + length // 2], dtype=np.float32)

    return apply


def noise(colour: str, decibel: float, talkers: Sequence[Floats] = ()) -> Augmentation:
    """Adds white noise, pink noise, or babble of other people's speech at this level below the voice."""

    def apply(clip: Floats, draw: np.random.Generator) -> Floats:
        if colour == "babble":
            chosen = draw.choice(len(talkers), size=5, replace=False)
            sound = sum(np.resize(talkers[number], len(clip)) for number in chosen)
        else:
            sound = draw.normal(size=len(clip))
        if colour == "pink":
            spectrum = np.fft.rfft(sound)
            sound = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), len(clip))
        return (clip + sound * _factor(clip, np.asarray(sound), decibel)).astype(np.float32)

    return apply


def spectral_tilt(decibel_per_octave: float) -> Augmentation:
    def apply(clip: Floats, _: np.random.Generator) -> Floats:
        spectrum = np.fft.rfft(clip)
        octaves = np.log2(np.maximum(np.fft.rfftfreq(len(clip), 1 / SAMPLE_RATE), 50) / 1000)
        return np.fft.irfft(spectrum * 10 ** (decibel_per_octave * octaves / 20), len(clip)).astype(np.float32)

    return apply


def chain(first: Augmentation, second: Augmentation) -> Augmentation:
    return lambda clip, draw: second(first(clip, draw), draw)


def channel_augmentations(talkers: Sequence[Floats]) -> dict[str, Augmentation]:
    """The augmentations that are computed for every clip; the first is the unchanged clip."""
    return {
        "clean": lambda clip, _: clip,
        "slower": speed(9, 10),
        "faster": speed(11, 10),
        "telephone": telephone,
        "small room": reverberate(0.25),
        "large room": reverberate(0.7),
        "white noise 15 dB": noise("white", 15),
        "pink noise 10 dB": noise("pink", 10),
        "babble 15 dB": noise("babble", 15, talkers),
        "bright": spectral_tilt(3),
        "dull": spectral_tilt(-3),
        "room and noise": chain(reverberate(0.4), noise("pink", 15)),
    }


def _factor(clip: Floats, sound: np.ndarray, decibel: float) -> float:
    voice = np.square(clip)
    power = voice[voice > voice.max() * 1e-3].mean() if voice.any() else 0.0  # of the speech, without pauses
    return float(np.sqrt(power / max(float(np.square(sound).mean()), 1e-12)) * 10 ** (-decibel / 20))
