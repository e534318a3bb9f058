"""Clusters voices by agglomeration over prototypes, so that cost grows linearly with the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.engines.catalog import Setup
from shared.ports.media import Floats

Labels = npt.NDArray[np.int64]  # (row,)

MAX_PROTOTYPES = 1_000
MIN_SHARE = 0.02  # of all windows; a smaller cluster is noise or laughter, not a participant
MIN_COUNT = 4
# The mean similarity of windows of one voice exceeds the same-voice threshold by USUALLY. A shared room or noise raises
# the similarity of one voice and of different voices, so the threshold is raised too.
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
    """Reduce the rows to at most a thousand prototypes: the sum of each prototype's rows, and their count."""
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

    `within[n]` is the mean similarity of rows in one group before that merge.
    """

    count: int
    merges: list[tuple[int, int]]
    heights: list[float]
    within: list[float]
    same_voice: float

    def groups_after(self, merges: int) -> list[list[int]]:
        groups: dict[int, list[int]] = {number: [number] for number in range(self.count)}
        for kept, merged in self.merges[:merges]:
            groups[kept] += groups.pop(merged)
        return list(groups.values())

    @property
    def natural(self) -> int:
        """The number of merges that join groups of the same voice."""
        thresholds = (self._threshold(within) for within in self.within)
        differ = (
            number
            for number, (height, least) in enumerate(zip(self.heights, thresholds, strict=True))
            if height < least
        )
        return next(differ, len(self.heights))

    def _threshold(self, within: float) -> float:
        """The similarity at which two groups are one voice, given the mean similarity within groups."""
        more = RISE * (within - self.same_voice - USUALLY)
        return self.same_voice + min(MAX_RISE, max(0.0, more))


def agglomerate(sums: Floats, weights: Floats, same_voice: float) -> Cuts:
    """Merge by average linkage down to one group. The similarity of two groups is the product of their mean vectors."""
    count = len(sums)
    sums, sizes = sums.copy(), weights.copy()
    similarity = (sums @ sums.T) / np.outer(sizes, sizes)
    np.fill_diagonal(similarity, -np.inf)
    # Over all pairs of rows in one group: the sum of their similarities, and the number of pairs.
    total, pairs = float(np.square(sums).sum() - sizes.sum()), float((sizes * (sizes - 1)).sum())
    merges: list[tuple[int, int]] = []
    heights: list[float] = []
    within: list[float] = []
    for _ in range(count - 1):
        kept, merged = divmod(int(similarity.argmax()), count)
        merges.append((kept, merged))
        heights.append(float(similarity[kept, merged]))
        within.append(total / pairs if pairs else 1.0)
        total += 2 * float(sums[kept] @ sums[merged])
        pairs += 2 * float(sizes[kept] * sizes[merged])
        sums[kept] += sums[merged]
        sizes[kept] += sizes[merged]
        row = (sums @ sums[kept]) / (sizes * sizes[kept])
        inactive = np.isneginf(similarity[kept])
        inactive[[kept, merged]] = True
        row[inactive & (np.arange(count) != kept)] = -np.inf
        row[kept] = -np.inf
        similarity[merged, :] = similarity[:, merged] = -np.inf
        similarity[kept, :] = similarity[:, kept] = row
    return Cuts(count, merges, heights, within, same_voice)


def choose_cut(cuts: Cuts, weights: Floats, *, speakers: int | None, max_speakers: int | None) -> list[list[int]]:
    """Return the groups that are voices; rows of smaller groups are assigned to a voice later."""
    smallest = max(MIN_COUNT, MIN_SHARE * float(weights.sum()))

    def voices(groups: list[list[int]], floor: float) -> list[list[int]]:
        ordered = sorted(groups, key=lambda group: -float(weights[group].sum()))
        return [group for group in ordered if float(weights[group].sum()) >= floor] or ordered[:1]

    if speakers is None:
        found = voices(cuts.groups_after(cuts.natural), smallest)
        if max_speakers is None or len(found) <= max_speakers:
            return found
        speakers = max_speakers
    # The most merges that leave enough voices; if no cut has enough, smaller groups count too.
    for floor in (smallest, float(MIN_COUNT), 1.0):
        for merges in range(len(cuts.merges), -1, -1):
            groups = cuts.groups_after(merges) if merges <= cuts.count - speakers else []
            found = voices(groups, floor) if groups else []
            if len(found) >= speakers:
                return found[:speakers]
    return voices(cuts.groups_after(0), 0.0)[:speakers]


def settle(embeddings: Floats, centroids: Floats) -> Labels:
    """Assign every row to its nearest voice after a few rounds of k-means."""
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
    """Find the nearest centroid of each row, in blocks to limit memory on a long recording."""
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
