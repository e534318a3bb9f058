"""What a network reads of every clip, computed once: dialogue by dialogue, by the engines that serve."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from rich.progress import track

from services.trainer.clips.atomic_files import save_atomically
from services.trainer.clips.perceive import Perceiver
from services.trainer.datasets.clip import Clip
from services.trainer.labels import UNKNOWN
from shared.domain.emotion import EMOTIONS, Modality
from shared.engines.network_inputs import VERSION, InputArrays, InputSpec
from shared.ports.engines import ModalityEncoder

Encoders = Mapping[Modality, ModalityEncoder]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The clips in order of their dialogues, and the folder that holds an archive for each of them."""

    clips: Sequence[Clip]
    dialogues: Sequence[range]  # of clips
    folder: Path
    broken: Mapping[str, int]  # how many clips could not be heard, by the error's code

    def given(self, number: int) -> InputArrays:
        with np.load(self.folder / f"{number:06}.npz") as arrays:
            return {Modality(name): arrays[name].astype(np.float32) for name in arrays.files}

    def rows(self, split: str, *, dialogue: bool) -> list[range]:
        """What is read at once: dialogues, or single clips that have a label."""
        if dialogue:
            return [part for part in self.dialogues if self.clips[part.start].split == split]
        own = (n for n, clip in enumerate(self.clips) if clip.split == split and clip.label != UNKNOWN)
        return [range(number, number + 1) for number in own]


def prepare(clips: Sequence[Clip], plan: InputSpec, encoders: Encoders, perceive: Perceiver, cache: Path) -> Inputs:
    """Only what is not there yet is computed; with other clips, engines or tensors it is another folder."""
    places: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        places.setdefault((clip.split, clip.dialogue), []).append(clip)
    ordered = [clip for dialogue in places.values() for clip in dialogue]
    folder = cache / fingerprint(ordered, plan, encoders, perceive)
    broken: dict[str, int] = {}
    dialogues, first = [], 0
    for dialogue in track(list(places.values()), description="clips"):
        dialogues.append(range(first, first + len(dialogue)))
        _compute(dialogue, first, plan, encoders, perceive, folder)
        first += len(dialogue)
        for code, same in groupby(sorted(filter(None, map(perceive.broken, dialogue)))):
            broken[code] = broken.get(code, 0) + len(list(same))
    return Inputs(ordered, dialogues, folder, broken)


def fingerprint(clips: Sequence[Clip], plan: InputSpec, encoders: Encoders, perceive: Perceiver) -> str:
    told = (
        VERSION,
        plan.name,
        sorted((str(modality), shape) for modality, shape in plan.shapes.items()),
        sorted((str(modality), encoder.fingerprint) for modality, encoder in encoders.items()),
        [(perceive.key(clip), clip.text, clip.speaker, clip.dialogue) for clip in clips],
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()[:24]


def _compute(
    dialogue: Sequence[Clip], first: int, plan: InputSpec, encoders: Encoders, perceive: Perceiver, folder: Path
) -> None:
    if (folder / f"{first + len(dialogue) - 1:06}.npz").is_file():  # the last one that is written
        return
    conversation = [perceive(clip, index) for index, clip in enumerate(dialogue)]
    encodings = [encoder.encode(conversation, lambda _: None) for encoder in encoders.values()]
    for row, clip in enumerate(conversation):
        given = plan.given(clip, encodings, row)
        # Log-mels and pictures are kept at half their precision: they are most of what lies on disk.
        kept = {str(m): array if m in plan.engines else array.astype(np.float16) for m, array in given.items()}
        save_atomically(folder / f"{first + row:06}.npz", kept)


@dataclass(frozen=True, slots=True)
class EngineOutputSpec:
    """How an engine speaks of an utterance."""

    width: int  # numbers in all: its logits, and its features
    prior: tuple[float, ...]  # what it expects before it has perceived anything


def engine_output_specs(encoders: Encoders, perceive: Perceiver, clip: Clip) -> dict[Modality, EngineOutputSpec]:
    """Told by their answer to one clip; engines say it nowhere else."""
    one = [perceive(clip, 0)]
    found = {}
    for modality, encoder in encoders.items():
        encoding = encoder.encode(one, lambda _: None)
        expected = np.maximum([encoding.calibration.prior[emotion] for emotion in EMOTIONS], 1e-4)
        width = len(EMOTIONS) + encoding.features.shape[1]
        found[modality] = EngineOutputSpec(width, tuple(map(float, expected / expected.sum())))
    return found
