"""Windows of simulated conversations with their labels, computed once and kept beside the run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.trainer.segmentation.simulate import Conversation, converse
from services.trainer.segmentation.voices import TICK, Voice
from shared.engines.segmentation_mel import BANDS, HOP, STEP, WINDOW, log_mel
from shared.engines.segmenter_powerset import VOICES
from shared.ports.media import SAMPLE_RATE

APART = 6 * SAMPLE_RATE  # samples from one window of a conversation to the next, on the average
PICTURE, DECISIONS = WINDOW // HOP, WINDOW // STEP
TICKS = STEP // TICK  # of one decision
UNKNOWN = 255  # a decision that the classes cannot say: three at once, or a fourth voice

Labels = npt.NDArray[np.uint8]  # (decision,), bit n set: voice n speaks


@dataclass(frozen=True, slots=True)
class Windows:
    """On disk; only what a batch needs is read."""

    mels: npt.NDArray[np.float16]  # (window, frame, band)
    labels: npt.NDArray[np.uint8]  # (window, decision)


def read_windows(voices: Sequence[Voice], count: int, seed: int, folder: Path, name: str) -> Windows:
    kept = {part: folder / f"{name}-{count}-{seed}.{part}.npy" for part in ("mels", "labels")}
    if not all(path.is_file() for path in kept.values()):
        folder.mkdir(parents=True, exist_ok=True)
        aside = {part: path.with_suffix(f".{os.getpid()}.part") for part, path in kept.items()}
        mels = np.lib.format.open_memmap(aside["mels"], "w+", np.float16, (count, PICTURE, BANDS))
        labels = np.lib.format.open_memmap(aside["labels"], "w+", np.uint8, (count, DECISIONS))
        for number, (mel, label) in zip(range(count), _windows(voices, seed), strict=False):
            mels[number], labels[number] = mel, label
        mels.flush()
        labels.flush()
        for part, path in aside.items():
            path.replace(kept[part])
    return Windows(np.load(kept["mels"], mmap_mode="r"), np.load(kept["labels"]))


def _windows(voices: Sequence[Voice], seed: int) -> Iterator[tuple[npt.NDArray[np.float16], Labels]]:
    number = 0
    while True:
        made = converse(voices, seed, number)
        draw = np.random.default_rng((seed, number, 1))
        first = int(draw.integers(0, APART)) // TICK * TICK
        for start in range(first, len(made.sound) - WINDOW + 1, APART):
            label = labels_of(made, start // TICK)
            if (label == UNKNOWN).mean() < 0.3:
                yield log_mel(made.sound[start : start + WINDOW]).astype(np.float16), label
        number += 1


def labels_of(made: Conversation, tick: int) -> Labels:
    """The three voices that speak most in the window, each a bit."""
    marks = made.speaks[:, tick : tick + DECISIONS * TICKS].reshape(len(made.speaks), DECISIONS, TICKS)
    speaks = marks.mean(axis=2) >= 0.5  # (speaker, decision)
    order = np.argsort(-speaks.sum(axis=1), kind="stable")
    label = np.zeros(DECISIONS, dtype=np.uint8)
    for bit, who in enumerate(order[:VOICES]):
        label |= speaks[who].astype(np.uint8) << bit
    label[(speaks.sum(axis=0) > 2) | speaks[order[VOICES:]].any(axis=0)] = UNKNOWN
    return label
