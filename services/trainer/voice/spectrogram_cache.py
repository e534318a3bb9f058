"""The log-mels of every clip in every augmentation, computed once and cached in the run folder."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.trainer.datasets.voices import SpokenClip, load_sound, read_clips
from services.trainer.voice.channel_augmentation import channel_augmentations
from shared.engines.features.voice_mel import Scale, log_mel, voice_scale
from shared.ports.media import Floats

BABBLE_SPEAKERS = 60  # voices mixed into babble noise


@dataclass
class Spectrograms:
    """`frames` has all log-mels one after the other; `edges` delimits clip c in augmentation m."""

    clips: list[SpokenClip]
    names: list[str]  # of the augmentations
    frames: np.ndarray  # (frame, band), float16
    edges: np.ndarray  # (clip x augmentation + 1,)

    def __post_init__(self) -> None:
        by_voice: dict[tuple[str, int], list[Floats]] = defaultdict(list)
        for number, clip in enumerate(self.clips):
            for augmentation in range(len(self.names)):
                by_voice[clip.speaker, augmentation].append(self.of(number, augmentation))
        self.scales: dict[tuple[str, int], Scale | None] = {key: voice_scale(own) for key, own in by_voice.items()}

    def of(self, clip: int, augmentation: int) -> Floats:
        at = clip * len(self.names) + augmentation
        return self.frames[self.edges[at] : self.edges[at + 1]].astype(np.float32)

    def scale(self, clip: int, augmentation: int) -> Scale | None:
        return self.scales[self.clips[clip].speaker, augmentation]


def read_spectrograms(data: Path, kept: Path) -> Spectrograms:
    clips = [
        *read_clips(data / "voice" / "ravdess", "ravdess"),
        *read_clips(data / "voice" / "emodb", "emodb"),
    ]
    talkers = [
        load_sound(path) for path in sorted((data / "speech" / "librispeech_speakers").glob("*.opus"))[:BABBLE_SPEAKERS]
    ]
    known = channel_augmentations([voice / max(float(np.abs(voice).max()), 1e-6) for voice in talkers])
    if not kept.is_file():
        _compute(clips, list(known.values()), kept)
    with np.load(kept) as arrays:
        return Spectrograms(clips, list(known), arrays["frames"], arrays["edges"])


def _compute(clips: list[SpokenClip], known: list, kept: Path) -> None:  # type: ignore[type-arg]  # of Augmentation
    frames, edges = [], [0]
    for number, clip in enumerate(clips):
        sound = load_sound(clip.path)
        for which, augmentation in enumerate(known):
            spectrogram = log_mel(augmentation(sound, np.random.default_rng((number, which)))).astype(np.float16)
            frames.append(spectrogram)
            edges.append(edges[-1] + len(spectrogram))
    kept.parent.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_suffix(".part.npz")
    np.savez(temporary, frames=np.concatenate(frames), edges=np.array(edges))
    temporary.replace(kept)
