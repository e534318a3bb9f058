"""Cuts of every speaker with what the teacher's LSTM hears in them: it does not change, so it is asked once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample_poly

from services.trainer.datasets.voices import SOUNDS, UNHEARD, load_sound, read_clips, reader, unheard
from services.trainer.segmentation.voices import TICK, marked
from services.trainer.speaker.network import STATES, SpeakerNet
from shared.domain.error import InvalidRequest
from shared.engines.mel import mel_power
from shared.engines.speaker_ge2e import louder
from shared.ports.media import SAMPLE_RATE, Floats

CUT, APART = round(1.6 * SAMPLE_RATE), round(0.8 * SAMPLE_RATE)  # as diarization embeds them
BATCH = 64
READ = -1  # the emotion of a voice that reads
SPEEDS = (85, 92, 109, 118)  # per cent


@dataclass(frozen=True, slots=True)
class Cuts:
    heard: np.ndarray  # (cut, 512)
    speakers: np.ndarray  # (cut,) as "ravdess 01"
    emotions: np.ndarray  # (cut,)
    clips: np.ndarray  # (cut,) which cuts are of one recording

    def of(self, chosen: np.ndarray) -> Cuts:
        return Cuts(self.heard[chosen], self.speakers[chosen], self.emotions[chosen], self.clips[chosen])


def split(cuts: Cuts) -> tuple[Cuts, Cuts]:
    """Those to learn from, and those of people who are never heard in training."""
    held_out = np.isin(cuts.speakers, sorted(unheard(cuts.speakers.tolist())))
    return cuts.of(~held_out), cuts.of(held_out)


def read_cuts(data: Path, network: SpeakerNet, kept: Path) -> Cuts:
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = kept.with_suffix(f".{os.getpid()}.npz")
        made = _heard(data, network)
        np.savez(aside, heard=made.heard, speakers=made.speakers, emotions=made.emotions, clips=made.clips)
        aside.replace(kept)
    with np.load(kept) as found:
        return Cuts(found["heard"], found["speakers"], found["emotions"], found["clips"])


def _heard(data: Path, network: SpeakerNet) -> Cuts:
    heard, speakers, emotions, clips = [], [], [], []
    for path, speaker, emotion in _recordings(data):
        sound = load_sound(path)
        for person, spoken in [(speaker, sound), *(others(speaker, sound) if emotion != READ else [])]:
            cuts = cuts_of(spoken)
            heard.append(hear(network, cuts))
            speakers += [person] * len(cuts)
            emotions += [emotion] * len(cuts)
            clips += [len(heard)] * len(cuts)
    return Cuts(np.concatenate(heard), np.array(speakers), np.array(emotions), np.array(clips))


def _recordings(data: Path) -> Iterator[tuple[Path, str, int]]:
    folder = data / "speech" / "librispeech_speakers"
    read = sorted(path for path in folder.glob("*") if path.suffix in SOUNDS)
    if not read:
        raise InvalidRequest(f"There is nobody reading in {str(folder)!r}; docs/training.md says what lies there.")
    yield from ((path, reader(path), READ) for path in read)
    for layout in ("ravdess", "emodb"):
        yield from ((clip.path, clip.speaker, clip.label) for clip in read_clips(data / "voice" / layout, layout))


def others(speaker: str, sound: Floats) -> Iterator[tuple[str, Floats]]:
    """Slower or faster, throat and pitch are somebody else's: few actors stand for many who act as they do."""
    if speaker not in UNHEARD:
        for speed in SPEEDS:
            yield f"{speaker} at {speed} %", resample_poly(sound, 100, speed).astype(np.float32)


def cuts_of(sound: Floats) -> list[Floats]:
    """Overlapping cuts between the first and the last sound; less than one cut is filled up with silence."""
    loud = np.flatnonzero(marked(sound)[1])
    if len(loud):
        sound = sound[loud[0] * TICK : (loud[-1] + 1) * TICK]
    starts = range(0, max(1, len(sound) - CUT + APART // 2), APART)
    return [np.pad(cut, (0, CUT - len(cut))) for cut in (sound[start : start + CUT] for start in starts)]


def hear(network: SpeakerNet, cuts: Sequence[Floats]) -> np.ndarray:
    found = [np.zeros((0, 2 * STATES), np.float32)]
    for first in range(0, len(cuts), BATCH):
        mels = np.stack([mel_power(louder(cut), bands=40) for cut in cuts[first : first + BATCH]])
        with torch.no_grad():
            found.append(network.hear(torch.from_numpy(mels)).numpy())
    return np.concatenate(found)
