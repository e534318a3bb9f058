"""What Whisper's first layers give for every clip in every channel, computed once and cached in the run folder."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from services.trainer.datasets.voices import SpokenClip, load_sound, read_clips
from services.trainer.voice.channel_augmentation import channel_augmentations
from shared.engines.features.whisper_encoder import WhisperEncoder

CHANNELS = ("clean", "telephone", "pink noise 10 dB", "large room")
LAYERS = 4  # of the encoder; the later ones contain more of the words and less of the voice


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and deviation over time of every layer, for each clip and channel."""

    clips: list[SpokenClip]
    values: np.ndarray  # (clip, channel, layer, 2, width), float32
    mark: np.ndarray  # of the Whisper


def read_statistics(data: Path, kept: Path, model: Path) -> Statistics:
    clips = [
        *read_clips(data / "voice" / "ravdess", "ravdess"),
        *read_clips(data / "voice" / "emodb", "emodb"),
    ]
    if not kept.is_file():
        _compute(clips, model, kept)
    with np.load(kept) as arrays:
        return Statistics(clips, arrays["values"].astype(np.float32), arrays["mark"])


def _compute(clips: list[SpokenClip], model: Path, kept: Path) -> None:
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        measure = partial(_measure, model, LAYERS)
        values = list(pool.map(measure, range(len(clips)), [clip.path for clip in clips], chunksize=40))
    kept.parent.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_suffix(".part.npz")
    np.savez(temporary, values=np.stack(values), mark=_encoder(model, LAYERS).mark)
    temporary.replace(kept)


_encoder = cache(WhisperEncoder.load)  # once per process


def _measure(model: Path, layers: int, number: int, path: Path) -> np.ndarray:
    """The statistics of one clip in every channel."""
    encoder = _encoder(model, layers)
    sound, known = load_sound(path), channel_augmentations(talkers=())
    channels = [known[name](sound, np.random.default_rng((number, which))) for which, name in enumerate(CHANNELS)]
    return np.stack([encoder.statistics(channel) for channel in channels]).astype(np.float16)
