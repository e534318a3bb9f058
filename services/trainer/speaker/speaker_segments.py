"""Segments of every speaker with their LSTM states, computed once because the LSTM is frozen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from scipy.signal import fftconvolve, resample_poly

from services.trainer.datasets.voices import (
    HELD_OUT_SPEAKERS,
    held_out_speakers,
    load_sound,
    read_clips,
    read_speech,
    reader,
)
from services.trainer.segmentation.simulate import add_reverberation, background_noise
from services.trainer.segmentation.voices import TICK, marked
from services.trainer.speaker.network import STATES, SpeakerNet
from shared.engines.features.mel import mel_power
from shared.engines.speaker_ge2e import normalize_loudness
from shared.ports.media import SAMPLE_RATE, Floats

SEGMENT, APART = round(1.6 * SAMPLE_RATE), round(0.8 * SAMPLE_RATE)  # length and step, as in diarization
BATCH = 64
READ_SPEECH = -1  # the emotion of read speech
SPEEDS = (85, 92, 109, 118)  # per cent
ROOMS, DISTANCE, NOISE_BELOW = 2, (0.3, 1.0), (3.0, 25.0)  # of each recording; decibels


@dataclass(frozen=True, slots=True)
class SpeakerSegments:
    states: np.ndarray  # (segment, 512)
    speakers: np.ndarray  # (segment,) as "ravdess 01"
    emotions: np.ndarray  # (segment,)
    clips: np.ndarray  # (segment,) the recording of each segment
    far: np.ndarray  # (segment,) whether it has simulated far-field reverberation

    def of(self, chosen: np.ndarray) -> SpeakerSegments:
        return SpeakerSegments(**{name: part[chosen] for name, part in self.parts().items()})

    def parts(self) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def split(segments: SpeakerSegments) -> tuple[SpeakerSegments, SpeakerSegments]:
    """The training segments, and the segments of held-out speakers."""
    held_out = np.isin(segments.speakers, sorted(held_out_speakers(segments.speakers.tolist())))
    return segments.of(~held_out), segments.of(held_out)


def read_segments(data: Path, network: SpeakerNet, kept: Path) -> SpeakerSegments:
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(f".{os.getpid()}.npz")
        made = _encode_recordings(data, network)
        np.savez(temporary, allow_pickle=False, **made.parts())
        temporary.replace(kept)
    with np.load(kept) as found:
        return SpeakerSegments(**found)


def _encode_recordings(data: Path, network: SpeakerNet) -> SpeakerSegments:
    states: list[np.ndarray] = []
    attributes: list[tuple[str, int, int, bool]] = []  # per segment
    for number, (path, speaker, emotion) in enumerate(_recordings(data)):
        sound = trim_silence(load_sound(path))  # so that the room's noise does not identify the speaker
        for person, spoken, far in _variants(speaker, sound, number, acts=emotion != READ_SPEECH):
            states.append(encode_segments(network, cut_segments(spoken)))
            attributes += [(person, emotion, len(states), far)] * len(states[-1])
    return SpeakerSegments(np.concatenate(states), *map(np.array, zip(*attributes, strict=True)))


def _variants(speaker: str, sound: Floats, number: int, *, acts: bool) -> Iterator[tuple[str, Floats, bool]]:
    """The recording, its far-field versions and, for actors, its speed-perturbed versions as other speakers."""
    yield speaker, sound, False
    yield from ((speaker, far_field(sound, np.random.default_rng((number, room))), True) for room in range(ROOMS))
    yield from ((person, spoken, False) for person, spoken in (speed_perturbed(speaker, sound) if acts else ()))


def _recordings(data: Path) -> Iterator[tuple[Path, str, int]]:
    yield from ((path, reader(path), READ_SPEECH) for path in read_speech(data))
    for layout in ("ravdess", "emodb"):
        yield from ((clip.path, clip.speaker, clip.label) for clip in read_clips(data / "voice" / layout, layout))


def speed_perturbed(speaker: str, sound: Floats) -> Iterator[tuple[str, Floats]]:
    """Resampled versions, whose pitch and vocal-tract length are those of other speakers, because actors are few."""
    if speaker not in HELD_OUT_SPEAKERS:
        for speed in SPEEDS:
            yield f"{speaker} at {speed} %", resample_poly(sound, 100, speed).astype(np.float32)


def far_field(sound: Floats, draw: np.random.Generator) -> Floats:
    reverberant = fftconvolve(sound, add_reverberation(draw.uniform(*DISTANCE), draw))[: len(sound)]
    noise = background_noise(len(reverberant), draw)
    ratio = np.square(reverberant).mean() / np.square(noise).mean()
    noise *= np.sqrt(ratio) * 10 ** (-draw.uniform(*NOISE_BELOW) / 20)
    return np.asarray(reverberant + noise, dtype=np.float32)


def trim_silence(sound: Floats) -> Floats:
    """Removes leading and trailing silence."""
    loud = np.flatnonzero(marked(sound)[1])
    return sound[loud[0] * TICK : (loud[-1] + 1) * TICK] if len(loud) else sound


def cut_segments(sound: Floats) -> list[Floats]:
    """Overlapping segments; a shorter recording is padded with silence."""
    starts = range(0, max(1, len(sound) - SEGMENT + APART // 2), APART)
    return [
        np.pad(segment, (0, SEGMENT - len(segment))) for segment in (sound[start : start + SEGMENT] for start in starts)
    ]


def encode_segments(network: SpeakerNet, segments: Sequence[Floats]) -> np.ndarray:
    found = [np.zeros((0, 2 * STATES), np.float32)]
    for first in range(0, len(segments), BATCH):
        mels = np.stack(
            [mel_power(normalize_loudness(segment), bands=40) for segment in segments[first : first + BATCH]]
        )
        with torch.no_grad():
            found.append(network.encode(torch.from_numpy(mels)).numpy())
    return np.concatenate(found)
