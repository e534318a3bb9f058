"""Computes and caches the inputs of a network for every clip, dialogue by dialogue, with the serving engines."""

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
from shared.engines.features.network_inputs import VERSION, InputArrays, InputSpec
from shared.ports.engines import ModalityEncoder

Encoders = Mapping[Modality, ModalityEncoder]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The clips in order of their dialogues, and the folder with one archive per clip."""

    clips: Sequence[Clip]
    dialogues: Sequence[range]  # of clips
    folder: Path
    broken: Mapping[str, int]  # number of clips that could not be decoded, by error code

    def inputs_of(self, number: int) -> InputArrays:
        with np.load(self.folder / f"{number:06}.npz") as arrays:
            return {Modality(name): arrays[name].astype(np.float32) for name in arrays.files}

    def rows(self, split: str, *, dialogue: bool) -> list[range]:
        """The units of input: dialogues, or single labelled clips."""
        if dialogue:
            return [part for part in self.dialogues if self.clips[part.start].split == split]
        own = (n for n, clip in enumerate(self.clips) if clip.split == split and clip.label != UNKNOWN)
        return [range(number, number + 1) for number in own]


def prepare(clips: Sequence[Clip], plan: InputSpec, encoders: Encoders, perceive: Perceiver, cache: Path) -> Inputs:
    """Computes the missing inputs; other clips, engines or tensors use another cache folder."""
    by_dialogue: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        by_dialogue.setdefault((clip.split, clip.dialogue), []).append(clip)
    ordered = [clip for dialogue in by_dialogue.values() for clip in dialogue]
    folder = cache / fingerprint(ordered, plan, encoders, perceive)
    broken: dict[str, int] = {}
    dialogues, first = [], 0
    for dialogue in track(list(by_dialogue.values()), description="clips"):
        dialogues.append(range(first, first + len(dialogue)))
        _compute(dialogue, first, plan, encoders, perceive, folder)
        first += len(dialogue)
        for code, same in groupby(sorted(filter(None, map(perceive.broken, dialogue)))):
            broken[code] = broken.get(code, 0) + len(list(same))
    return Inputs(ordered, dialogues, folder, broken)


def fingerprint(clips: Sequence[Clip], plan: InputSpec, encoders: Encoders, perceive: Perceiver) -> str:
    parts = (
        VERSION,
        plan.name,
        sorted((str(modality), shape) for modality, shape in plan.shapes.items()),
        sorted((str(modality), encoder.fingerprint) for modality, encoder in encoders.items()),
        [(perceive.key(clip), clip.text, clip.speaker, clip.dialogue) for clip in clips],
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _compute(
    dialogue: Sequence[Clip], first: int, plan: InputSpec, encoders: Encoders, perceive: Perceiver, folder: Path
) -> None:
    if (folder / f"{first + len(dialogue) - 1:06}.npz").is_file():  # the last file written
        return
    conversation = [perceive(clip, index) for index, clip in enumerate(dialogue)]
    encodings = [encoder.encode(conversation, lambda _: None) for encoder in encoders.values()]
    for row, clip in enumerate(conversation):
        inputs = plan.inputs_of(clip, encodings, row)
        # Log-mels and face crops are stored in half precision: they take most of the disk space.
        kept = {str(m): array if m in plan.engines else array.astype(np.float16) for m, array in inputs.items()}
        save_atomically(folder / f"{first + row:06}.npz", kept)


@dataclass(frozen=True, slots=True)
class EngineOutputSpec:
    """The size and the prior of an engine's output per utterance."""

    width: int  # number of values: logits and features
    prior: tuple[float, ...]  # its class prior


def engine_output_specs(encoders: Encoders, perceive: Perceiver, clip: Clip) -> dict[Modality, EngineOutputSpec]:
    """Determined by encoding one clip; engines do not declare it."""
    one = [perceive(clip, 0)]
    found = {}
    for modality, encoder in encoders.items():
        encoding = encoder.encode(one, lambda _: None)
        expected = np.maximum([encoding.calibration.prior[emotion] for emotion in EMOTIONS], 1e-4)
        width = len(EMOTIONS) + encoding.features.shape[1]
        found[modality] = EngineOutputSpec(width, tuple(map(float, expected / expected.sum())))
    return found
