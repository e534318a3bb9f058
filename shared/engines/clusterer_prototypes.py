"""Counts voices and tells them apart: agglomeration over prototypes, so that cost grows linearly with the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.engines.catalog import Setup
from shared.ports.media import Floats

Labels = npt.NDArray[np.int64]  # (row,)

MAX_PROTOTYPES = 1_000
MIN_SHARE = 0.02  # of all windows; a smaller group is noise or laughter, not a participant
MIN_COUNT = 4
# Windows of one voice are on the average so much more alike than the least that makes one voice. Where a room or a
# noise that all of them share makes them more so, it does the same to windows of different voices: more is asked then.
USUALLY, RISE, MAX_RISE = 0.15, 1.5, 0.1


@dataclass(frozen=True, slots=True)
class PrototypeClusterer:
    name: str = "prototypes"

    @classmethod
    def load(cls, _option: str | None, _setup: Setup) -> PrototypeClusterer:
        return cls()

    @property
    def fingerprint(self) -> str:
        return f"4-{MIN_SHARE}-{MIN_COUNT}-{USUALLY}-{RISE}-{MAX_RISE}"

    def cluster(
        self, embeddings: Floats, *, same_voice: float, speakers: int | None, max_speakers: int | None
    ) -> Sequence[int]:
        if len(embeddings) == 0:
            return []
        embeddings = _unit(embeddings)
        sums, weights = compress(embeddings)
        cuts = agglomerate(sums, weights, same_voice)
        members = choose_cut(cuts, weights, speakers=speakers, max_speakers=max_speakers)
        centroids = np.stack([_unit(sums[group].sum(axis=0)) for group in members])
        return in_order_of_appearance(settle(embeddings, centroids))


def compress(embeddings: Floats) -> tuple[Floats, Floats]:
    """At most a thousand prototypes that stand for all rows: the sum of each one's rows, and how many they are."""
    if len(embeddings) <= MAX_PROTOTYPES:
        return embeddings, np.ones(len(embeddings), dtype=np.float32)
    start = np.linspace(0, len(embeddings) - 1, MAX_PROTOTYPES).astype(int)
    labels = nearest(embeddings, settle_centroids(embeddings, embeddings[start], rounds=4))
    sums = np.zeros((MAX_PROTOTYPES, embeddings.shape[1]), dtype=np.float32)
    np.add.at(sums, labels, embeddings)
    counts = np.bincount(labels, minlength=MAX_PROTOTYPES).astype(np.float32)
    return sums[counts > 0], counts[counts > 0]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Every stage of the agglomeration: `merges[n]` joined two groups at similarity `heights[n]`.

    `within[n]` is how alike rows of one group were by then.
    """

    count: int
    merges: list[tuple[int, int]]
    heights: list[float]
    within: list[float]
    same_voice: float

    def groups_after(self, merges: int) -> list[list[int]]:
        groups: dict[int, list[int]] = {number: [number] for number in range(self.count)}
        for kept, gone in self.merges[:merges]:
            groups[kept] += groups.pop(gone)
        return list(groups.values())

    @property
    def natural(self) -> int:
        """How many merges join the same voice."""
        asked = (self._asked(within) for within in self.within)
        differ = (
            number for number, (height, least) in enumerate(zip(self.heights, asked, strict=True)) if height < least
        )
        return next(differ, len(self.heights))

    def _asked(self, within: float) -> float:
        """How alike two groups must be to be one voice, when rows of a group are so alike."""
        more = RISE * (within - self.same_voice - USUALLY)
        return self.same_voice + min(MAX_RISE, max(0.0, more))


def agglomerate(sums: Floats, weights: Floats, same_voice: float) -> Cuts:
    """Average linkage, down to one group. The mean similarity of two groups is the product of their mean vectors."""
    count = len(sums)
    sums, sizes = sums.copy(), weights.copy()
    similarity = (sums @ sums.T) / np.outer(sizes, sizes)
    np.fill_diagonal(similarity, -np.inf)
    # Over all pairs of rows in one group: the similarities' sum, and how many pairs there are.
    alike, pairs = float(np.square(sums).sum() - sizes.sum()), float((sizes * (sizes - 1)).sum())
    merges: list[tuple[int, int]] = []
    heights: list[float] = []
    within: list[float] = []
    for _ in range(count - 1):
        kept, gone = divmod(int(similarity.argmax()), count)
        merges.append((kept, gone))
        heights.append(float(similarity[kept, gone]))
        within.append(alike / pairs if pairs else 1.0)
        alike += 2 * float(sums[kept] @ sums[gone])
        pairs += 2 * float(sizes[kept] * sizes[gone])
        sums[kept] += sums[gone]
        sizes[kept] += sizes[gone]
        row = (sums @ sums[kept]) / (sizes * sizes[kept])
        dead = np.isneginf(similarity[kept])
        dead[[kept, gone]] = True
        row[dead & (np.arange(count) != kept)] = -np.inf
        row[kept] = -np.inf
        similarity[gone, :] = similarity[:, gone] = -np.inf
        similarity[kept, :] = similarity[:, kept] = row
    return Cuts(count, merges, heights, within, same_voice)


def choose_cut(cuts: Cuts, weights: Floats, *, speakers: int | None, max_speakers: int | None) -> list[list[int]]:
    """The groups that are voices; groups too small to be one are left out, and their rows find another later."""
    smallest = max(MIN_COUNT, MIN_SHARE * float(weights.sum()))

    def voices(groups: list[list[int]], floor: float) -> list[list[int]]:
        ordered = sorted(groups, key=lambda group: -float(weights[group].sum()))
        return [group for group in ordered if float(weights[group].sum()) >= floor] or ordered[:1]

    if speakers is None:
        found = voices(cuts.groups_after(cuts.natural), smallest)
        if max_speakers is None or len(found) <= max_speakers:
            return found
        speakers = max_speakers
    # As many merges as still leave enough voices; where no cut has enough of them, smaller groups count too.
    for floor in (smallest, float(MIN_COUNT), 1.0):
        for merges in range(len(cuts.merges), -1, -1):
            groups = cuts.groups_after(merges) if merges <= cuts.count - speakers else []
            found = voices(groups, floor) if groups else []
            if len(found) >= speakers:
                return found[:speakers]
    return voices(cuts.groups_after(0), 0.0)[:speakers]


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
