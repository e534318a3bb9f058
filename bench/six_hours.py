"""Measures clustering and composing for a six-hour meeting, where cost could grow faster than the recording.

python bench/six_hours.py
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.domain.speech import SpeakerTurn, Word
from shared.pipeline.assign_speakers import assign_speakers
from shared.pipeline.cluster_voices import find_voices
from shared.pipeline.compose import compose
from shared.ports.media import Floats

PIECES, WORDS, TURNS = 40_000, 70_000, 10_000


def voices(count: int, speakers: int = 8) -> Floats:
    """Random embeddings around speaker centres, with the distances of encoder embeddings."""
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(speakers, 256))
    rows = centres[draw.integers(0, speakers, count)] + 0.6 * draw.normal(size=(count, 256))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def meeting() -> tuple[list[Word], list[SpeakerTurn]]:
    words = [Word(text="word", start=n * 0.3, end=n * 0.3 + 0.25) for n in range(WORDS)]
    length = WORDS * 0.3 / TURNS
    turns = [SpeakerTurn(speaker=f"S{n % 8 + 1}", start=n * length, end=(n + 1.2) * length) for n in range(TURNS)]
    return words, turns


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = voices(PIECES)
    weights = np.full(PIECES, 0.5, dtype=np.float32)
    draw = np.random.default_rng(1)
    first = draw.integers(0, PIECES - 1, PIECES // 10)
    found: list[Floats] = []
    seconds = timed(
        lambda: found.append(
            find_voices(
                rows, weights, np.stack([first, first + 1], 1), same_voice=0.3, speakers=None, max_speakers=None
            )
        )
    )
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"cluster {PIECES} pieces: {seconds:.2f} s, {len(found[0])} voices, {grown} MB more")
    words, turns = meeting()
    made: list[object] = []
    seconds = timed(lambda: made.extend(compose(assign_speakers(words, turns), apart=False)))
    print(f"compose {WORDS} words and {TURNS} turns: {seconds:.2f} s, {len(made)} utterances")


if __name__ == "__main__":
    main()
