"""Measures clustering and composing for a six-hour meeting, where cost could grow faster than the recording.

python bench/six_hours.py

Clustering is compared with scikit-learn's average linkage at a size that both can process.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.cluster import AgglomerativeClustering

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.domain.speech import SpeakerTurn, Word
from shared.engines.clusterer_prototypes import PrototypeClusterer
from shared.pipeline.assign_speakers import assign_speakers
from shared.pipeline.compose import compose
from shared.ports.media import Floats

SAME_VOICE = 0.65  # a typical encoder threshold
WINDOWS, WORDS, TURNS = 40_000, 70_000, 10_000


def voices(count: int, speakers: int = 8) -> Floats:
    """Random windows around speaker centres, with the distances of encoder embeddings."""
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
    rows = voices(WINDOWS)
    clusterer = PrototypeClusterer()
    found: list[int] = []
    seconds = timed(
        lambda: found.extend(clusterer.cluster(rows, same_voice=SAME_VOICE, speakers=None, max_speakers=None))
    )
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"cluster {WINDOWS} windows: {seconds:.2f} s, {len(set(found))} of 8 voices, {grown} MB more")
    small = voices(4_000)
    linkage = AgglomerativeClustering(n_clusters=8, metric="cosine", linkage="average")
    mine, theirs = (
        timed(lambda: clusterer.cluster(small, same_voice=SAME_VOICE, speakers=8, max_speakers=None)),
        timed(lambda: linkage.fit(small)),
    )
    print(f"cluster 4000 windows: {mine:.2f} s, scikit-learn's average linkage {theirs:.2f} s")
    words, turns = meeting()
    made: list[object] = []
    seconds = timed(lambda: made.extend(compose(assign_speakers(words, turns), apart=False)))
    print(f"compose {WORDS} words and {TURNS} turns: {seconds:.2f} s, {len(made)} utterances")


if __name__ == "__main__":
    main()
