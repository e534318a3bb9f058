"""Single-speaker recordings with speech marks, the material of simulated conversations."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.trainer.datasets.voices import held_out_speakers, load_sound, reader
from shared.domain.error import InvalidRequest
from shared.ports.media import SAMPLE_RATE, Floats

TICK = SAMPLE_RATE // 100  # samples per speech mark
QUIET = 35.0  # dB below the loudest tick: anything quieter is a pause
BREATH = 30  # ticks; shorter pauses count as speech
Marks = npt.NDArray[np.bool_]  # (tick,)


@dataclass(frozen=True, slots=True)
class Voice:
    """One person's recordings with their speech marks; whole ticks only."""

    speaker: str
    clips: tuple[tuple[Floats, Marks], ...]


def read_voices(data: Path) -> list[Voice]:
    """Reads speech under licences that allow commercial use; RAVDESS, which does not, is excluded."""
    by_speaker: dict[str, list[Path]] = defaultdict(list)
    for path in sorted((data / "speech" / "librispeech_speakers").glob("*.opus")):
        by_speaker[reader(path)].append(path)
    for path in sorted((data / "voice" / "emodb").rglob("*.opus")):
        by_speaker[f"emodb {path.stem[:2]}"].append(path)
    if len(by_speaker) < 2:
        raise InvalidRequest(f"There are no two speakers in {str(data)!r}; docs/training.md describes the data layout.")
    return [Voice(speaker, tuple(marked(load_sound(path)) for path in paths)) for speaker, paths in by_speaker.items()]


def marked(sound: Floats) -> tuple[Floats, Marks]:
    """A recording normalised to full level, and its speech marks."""
    sound = sound[: len(sound) // TICK * TICK] / max(float(np.abs(sound).max(initial=0.0)), 1e-6)
    levels = np.sqrt(np.square(sound.reshape(-1, TICK)).mean(axis=1))
    loud = np.flatnonzero(levels > levels.max(initial=0.0) * 10 ** (-QUIET / 20))
    marks = np.zeros(len(levels), dtype=bool)
    if len(loud):
        breaks = np.flatnonzero(np.diff(loud) > BREATH)
        for begin, end in zip([0, *(breaks + 1)], [*breaks, len(loud) - 1], strict=True):
            marks[loud[begin] : loud[end] + 1] = True
    return sound.astype(np.float32), marks


def split(voices: list[Voice]) -> tuple[list[Voice], list[Voice]]:
    """The training voices and the held-out voices."""
    kept = held_out_speakers(voice.speaker for voice in voices)
    learnt = [voice for voice in voices if voice.speaker not in kept]
    return learnt, [voice for voice in voices if voice.speaker in kept]
