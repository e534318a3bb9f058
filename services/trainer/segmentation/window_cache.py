"""Windows of simulated conversations with their labels, computed once and cached in the run folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.trainer.segmentation.simulate import Conversation, simulate_conversation
from services.trainer.segmentation.voices import TICK, Voice
from shared.engines.features.powerset import VOICES
from shared.engines.features.segmentation_mel import BANDS, HOP, STEP, WINDOW, log_mel
from shared.ports.media import SAMPLE_RATE

APART = 6 * SAMPLE_RATE  # samples from one window of a conversation to the next
FRAMES, DECISIONS = WINDOW // HOP, WINDOW // STEP
TICKS = STEP // TICK  # of one decision
UNKNOWN = 255  # a decision outside the classes: three speakers at the same time, or a fourth voice
MAX_UNKNOWN = 0.3  # share of a window

LogMel = npt.NDArray[np.float16]  # (frame, band)
Labels = npt.NDArray[np.uint8]  # (decision,), bit n set: voice n speaks


@dataclass(frozen=True, slots=True)
class Windows:
    """Memory-mapped from disk; only the rows of a batch are read."""

    mels: npt.NDArray[np.float16]  # (window, frame, band)
    labels: npt.NDArray[np.uint8]  # (window, decision)


def read_windows(voices: Sequence[Voice], wanted: int, seed: int, folder: Path, name: str) -> Windows:
    kept = {part: folder / f"{name}-{wanted}-{seed}.{part}.npy" for part in ("mels", "labels")}
    if not all(path.is_file() for path in kept.values()):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = {part: path.with_suffix(f".{os.getpid()}.part") for part, path in kept.items()}
        mels = np.lib.format.open_memmap(temporary["mels"], "w+", np.float16, (wanted, FRAMES, BANDS))
        labels = np.lib.format.open_memmap(temporary["labels"], "w+", np.uint8, (wanted, DECISIONS))
        for number, (mel, label) in zip(range(wanted), _windows(voices, seed), strict=False):
            mels[number], labels[number] = mel, label
        mels.flush()
        labels.flush()
        for part, path in temporary.items():
            path.replace(kept[part])
    return Windows(np.load(kept["mels"], mmap_mode="r"), np.load(kept["labels"]))


def _windows(voices: Sequence[Voice], seed: int) -> Iterator[tuple[LogMel, Labels]]:
    """An endless iterator in order; conversations are simulated in several threads, because NumPy releases the GIL."""
    workers = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(workers) as threads:
        for first in count(0, 4 * workers):
            made = threads.map(lambda number: windows_of(voices, seed, number), range(first, first + 4 * workers))
            yield from (window for windows in made for window in windows)


def windows_of(voices: Sequence[Voice], seed: int, number: int) -> list[tuple[LogMel, Labels]]:
    made = simulate_conversation(voices, seed, number)
    draw = np.random.default_rng((seed, number, 1))
    first = int(draw.integers(0, APART)) // TICK * TICK
    starts = range(first, len(made.sound) - WINDOW + 1, APART)
    labels = [(start, labels_of(made, start // TICK)) for start in starts]
    return [
        (log_mel(made.sound[start : start + WINDOW]).astype(np.float16), label)
        for start, label in labels
        if (label == UNKNOWN).mean() < MAX_UNKNOWN
    ]


def labels_of(made: Conversation, tick: int) -> Labels:
    """The three voices with the most speech in the window, one bit each."""
    marks = made.speaks[:, tick : tick + DECISIONS * TICKS].reshape(len(made.speaks), DECISIONS, TICKS)
    speaks = marks.mean(axis=2) >= 0.5  # (speaker, decision)
    order = np.argsort(-speaks.sum(axis=1), kind="stable")
    label = np.zeros(DECISIONS, dtype=np.uint8)
    for bit, speaker in enumerate(order[:VOICES]):
        label |= speaks[speaker].astype(np.uint8) << bit
    label[(speaks.sum(axis=0) > 2) | speaks[order[VOICES:]].any(axis=0)] = UNKNOWN
    return label
