"""Counts voices and tells them apart: agglomeration over prototypes, so that cost grows linearly with the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.engines.catalog import Setup
from shared.ports.media import Floats

Labels = npt.NDArray[np.int64]  # (row,)

MOST_PROTOTYPES = 1_000
SMALLEST_SHARE = 0.02  # of all windows; a smaller group is noise or laughter, not a participant
SMALLEST_COUNT = 4


@dataclass(frozen=True, slots=True)
class PrototypeClusterer:
    name: str = "prototypes"

    @classmethod
    def load(cls, _option: str | None, _setup: Setup) -> PrototypeClusterer:
        return cls()

    @property
    def fingerprint(self) -> str:
        return f"3-{SMALLEST_SHARE}-{SMALLEST_COUNT}"

    def cluster(
        self, embeddings: Floats, *, same_voice: float, exactly: int | None, at_most: int | None
    ) -> Sequence[int]:
        if len(embeddings) == 0:
            return []
        prototypes, weights = compress(embeddings)
        cuts = agglomerate(prototypes, weights, same_voice)
        members = choose_cut(cuts, weights, exactly=exactly, at_most=at_most)
        centroids = np.stack([_unit((prototypes[group] * weights[group, None]).sum(axis=0)) for group in members])
        return in_order_of_appearance(settle(embeddings, centroids))


def compress(embeddings: Floats) -> tuple[Floats, Floats]:
    """At most a thousand unit vectors that stand for all rows, and how many rows each stands for."""
    if len(embeddings) <= MOST_PROTOTYPES:
        return _unit(embeddings), np.ones(len(embeddings), dtype=np.float32)
    start = np.linspace(0, len(embeddings) - 1, MOST_PROTOTYPES).astype(int)
    centroids = settle_centroids(embeddings, _unit(embeddings[start]), rounds=4)
    counts = np.bincount(nearest(embeddings, centroids), minlength=len(centroids)).astype(np.float32)
    return centroids[counts > 0], counts[counts > 0]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Every stage of the agglomeration: `merges[n]` joined two groups at similarity `heights[n]`."""

    count: int
    merges: list[tuple[int, int]]
    heights: list[float]
    threshold: float

    def groups_after(self, merges: int) -> list[list[int]]:
        groups: dict[int, list[int]] = {number: [number] for number in range(self.count)}
        for kept, gone in self.merges[:merges]:
            groups[kept] += groups.pop(gone)
        return list(groups.values())

    @property
    def natural(self) -> int:
        """How many merges join the same voice."""
        return next(
            (number for number, height in enumerate(self.heights) if height < self.threshold), len(self.heights)
        )


def agglomerate(prototypes: Floats, weights: Floats, threshold: float) -> Cuts:
    """Average linkage, down to one group. The mean similarity of two groups is the product of their mean vectors."""
    count = len(prototypes)
    sums = prototypes * weights[:, None]
    sizes = weights.copy()
    similarity = prototypes @ prototypes.T
    np.fill_diagonal(similarity, -np.inf)
    merges: list[tuple[int, int]] = []
    heights: list[float] = []
    for _ in range(count - 1):
        kept, gone = divmod(int(similarity.argmax()), count)
        merges.append((kept, gone))
        heights.append(float(similarity[kept, gone]))
        sums[kept] += sums[gone]
        sizes[kept] += sizes[gone]
        row = (sums @ sums[kept]) / (sizes * sizes[kept])
        dead = np.isneginf(similarity[kept])
        dead[[kept, gone]] = True
        row[dead & (np.arange(count) != kept)] = -np.inf
        row[kept] = -np.inf
        similarity[gone, :] = similarity[:, gone] = -np.inf
        similarity[kept, :] = similarity[:, kept] = row
    return Cuts(count, merges, heights, threshold)


def choose_cut(cuts: Cuts, weights: Floats, *, exactly: int | None, at_most: int | None) -> list[list[int]]:
    """The groups that are voices; groups too small to be one are left out, and their rows find another later."""
    smallest = max(SMALLEST_COUNT, SMALLEST_SHARE * float(weights.sum()))

    def voices(groups: list[list[int]], floor: float) -> list[list[int]]:
        ordered = sorted(groups, key=lambda group: -float(weights[group].sum()))
        return [group for group in ordered if float(weights[group].sum()) >= floor] or ordered[:1]

    if exactly is None:
        found = voices(cuts.groups_after(cuts.natural), smallest)
        if at_most is None or len(found) <= at_most:
            return found
        exactly = at_most
    # As many merges as still leave enough voices; where no cut has enough of them, smaller groups count too.
    for floor in (smallest, float(SMALLEST_COUNT), 1.0):
        for merges in range(len(cuts.merges), -1, -1):
            groups = cuts.groups_after(merges) if merges <= cuts.count - exactly else []
            found = voices(groups, floor) if groups else []
            if len(found) >= exactly:
                return found[:exactly]
    return voices(cuts.groups_after(0), 0.0)[:exactly]


def settle(embeddings: Floats, centroids: Floats) -> Labels:
    """Every row goes to its nearest voice, with the voices' centres moved to their rows."""
    return nearest(embeddings, settle_centroids(embeddings, centroids, rounds=3))


def settle_centroids(embeddings: Floats, centroids: Floats, *, rounds: int) -> Floats:
    for _ in range(rounds):
        labels = nearest(embeddings, centroids)
        moved = np.zeros_like(centroids)
        np.add.at(moved, labels, embeddings)
        empty = np.bincount(labels, minlength=len(centroids)) == 0
        centroids = np.where(empty[:, None], centroids, _unit(moved))
    return centroids


def nearest(embeddings: Floats, centroids: Floats) -> Labels:
    """In blocks: the full table of similarities would outgrow a long recording."""
    blocks = range(0, len(embeddings), 4096)
    found = [(embeddings[first : first + 4096] @ centroids.T).argmax(axis=1) for first in blocks]
    return np.concatenate(found)


def in_order_of_appearance(labels: Labels) -> list[int]:
    order: dict[int, int] = {}
    return [order.setdefault(int(label), len(order)) for label in labels]


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Floats = (vectors / np.maximum(norms, 1e-9)).astype(np.float32)
    return scaled
