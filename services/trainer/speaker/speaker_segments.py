"""Cuts of every speaker with what the teacher's LSTM hears in them: it does not change, so it is asked once."""

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
    SOUNDS,
    held_out_speakers,
    load_sound,
    read_clips,
    reader,
)
from services.trainer.segmentation.simulate import add_reverberation, background_noise
from services.trainer.segmentation.voices import TICK, marked
from services.trainer.speaker.network import STATES, SpeakerNet
from shared.domain.error import InvalidRequest
from shared.engines.mel import mel_power
from shared.engines.speaker_ge2e import normalize_loudness
from shared.ports.media import SAMPLE_RATE, Floats

CUT, APART = round(1.6 * SAMPLE_RATE), round(0.8 * SAMPLE_RATE)  # as diarization embeds them
BATCH = 64
READ_SPEECH = -1  # the emotion of a voice that reads
SPEEDS = (85, 92, 109, 118)  # per cent
ROOMS, DISTANCE, NOISE_BELOW = 2, (0.3, 1.0), (3.0, 25.0)  # of each recording; decibels


@dataclass(frozen=True, slots=True)
class SpeakerSegments:
    states: np.ndarray  # (cut, 512)
    speakers: np.ndarray  # (cut,) as "ravdess 01"
    emotions: np.ndarray  # (cut,)
    clips: np.ndarray  # (cut,) which cuts are of one recording
    far: np.ndarray  # (cut,) whether it is heard across a room

    def of(self, chosen: np.ndarray) -> SpeakerSegments:
        return SpeakerSegments(**{name: part[chosen] for name, part in self.parts().items()})

    def parts(self) -> dict[str, np.ndarray]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def split(cuts: SpeakerSegments) -> tuple[SpeakerSegments, SpeakerSegments]:
    """Those to learn from, and those of people who are never heard in training."""
    held_out = np.isin(cuts.speakers, sorted(held_out_speakers(cuts.speakers.tolist())))
    return cuts.of(~held_out), cuts.of(held_out)


def read_segments(data: Path, network: SpeakerNet, kept: Path) -> SpeakerSegments:
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = kept.with_suffix(f".{os.getpid()}.npz")
        made = _heard(data, network)
        np.savez(aside, allow_pickle=False, **made.parts())
        aside.replace(kept)
    with np.load(kept) as found:
        return SpeakerSegments(**found)


def _heard(data: Path, network: SpeakerNet) -> SpeakerSegments:
    heard: list[np.ndarray] = []
    about: list[tuple[str, int, int, bool]] = []  # each cut
    for number, (path, speaker, emotion) in enumerate(_recordings(data)):
        sound = trim_silence(load_sound(path))  # of a room's noise nobody is to be known
        for person, spoken, far in _variants(speaker, sound, number, acts=emotion != READ_SPEECH):
            heard.append(encode_segments(network, cut_segments(spoken)))
            about += [(person, emotion, len(heard), far)] * len(heard[-1])
    return SpeakerSegments(np.concatenate(heard), *map(np.array, zip(*about, strict=True)))


def _variants(speaker: str, sound: Floats, number: int, *, acts: bool) -> Iterator[tuple[str, Floats, bool]]:
    """A recording as it is, across rooms, and, of who acts, as somebody else's."""
    yield speaker, sound, False
    yield from ((speaker, far_field(sound, np.random.default_rng((number, place))), True) for place in range(ROOMS))
    yield from ((person, spoken, False) for person, spoken in (speed_perturbed(speaker, sound) if acts else ()))


def _recordings(data: Path) -> Iterator[tuple[Path, str, int]]:
    folder = data / "speech" / "librispeech_speakers"
    read = sorted(path for path in folder.glob("*") if path.suffix in SOUNDS)
    if not read:
        raise InvalidRequest(f"There is nobody reading in {str(folder)!r}; docs/training.md says what lies there.")
    yield from ((path, reader(path), READ_SPEECH) for path in read)
    for layout in ("ravdess", "emodb"):
        yield from ((clip.path, clip.speaker, clip.label) for clip in read_clips(data / "voice" / layout, layout))


def speed_perturbed(speaker: str, sound: Floats) -> Iterator[tuple[str, Floats]]:
    """Slower or faster, throat and pitch are somebody else's: few actors stand for many who act as they do."""
    if speaker not in HELD_OUT_SPEAKERS:
        for speed in SPEEDS:
            yield f"{speaker} at {speed} %", resample_poly(sound, 100, speed).astype(np.float32)


def far_field(sound: Floats, draw: np.random.Generator) -> Floats:
    heard = fftconvolve(sound, add_reverberation(draw.uniform(*DISTANCE), draw))[: len(sound)]
    noise = background_noise(len(heard), draw)
    noise *= np.sqrt(np.square(heard).mean() / np.square(noise).mean()) * 10 ** (-draw.uniform(*NOISE_BELOW) / 20)
    return np.asarray(heard + noise, dtype=np.float32)


def trim_silence(sound: Floats) -> Floats:
    """Without the silence around what is said."""
    loud = np.flatnonzero(marked(sound)[1])
    return sound[loud[0] * TICK : (loud[-1] + 1) * TICK] if len(loud) else sound


def cut_segments(sound: Floats) -> list[Floats]:
    """They overlap; less than one cut is filled up with silence."""
    starts = range(0, max(1, len(sound) - CUT + APART // 2), APART)
    return [np.pad(cut, (0, CUT - len(cut))) for cut in (sound[start : start + CUT] for start in starts)]


def encode_segments(network: SpeakerNet, cuts: Sequence[Floats]) -> np.ndarray:
    found = [np.zeros((0, 2 * STATES), np.float32)]
    for first in range(0, len(cuts), BATCH):
        mels = np.stack([mel_power(normalize_loudness(cut), bands=40) for cut in cuts[first : first + BATCH]])
        with torch.no_grad():
            found.append(network.encode(torch.from_numpy(mels)).numpy())
    return np.concatenate(found)
