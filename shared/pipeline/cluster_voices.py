"""Clusters embeddings by average linkage; two local voices of one window are evidence of two people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from shared.ports.media import Floats

MAX_ROWS = 800  # more are first merged block by block, so that cost grows linearly with the recording
LEFT = 4  # of so many rows of a block, one is left
VARIATION = 0.12  # two groups of one voice are less similar than rows within groups, by at most this much
LEAST_SIMILAR = 0.47  # two groups below it are two people, however different the rows within groups are
CONFLICT = 0.35  # similarity that two groups lose if every row of the smaller one conflicts with the other group
ROUNDS = 3  # of k-means after the agglomeration, which never moves a row to another group
MIN_SHARE = 0.02  # of all speech; a smaller group is noise or laughter, not a participant
MIN_SECONDS = 1.6  # of speech; the same

Pairs = npt.NDArray[np.intp]  # (pair, 2), rows that are two people


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of rows with their sums of weighted embeddings."""

    members: tuple[tuple[int, ...], ...]
    sums: Floats  # (group, dim)
    weights: Floats  # (group,)

    @classmethod
    def of_rows(cls, embeddings: Floats, weights: Floats) -> Self:
        rows = tuple((row,) for row in range(len(embeddings)))
        return cls(rows, embeddings * weights[:, None], weights)

    def part(self, first: int, last: int) -> Groups:
        return Groups(self.members[first:last], self.sums[first:last], self.weights[first:last])


@dataclass(frozen=True, slots=True)
class Merges:
    """Every step of the agglomeration: `pairs[n]` were merged at similarity `heights[n]`.

    `within[n]` is the mean similarity of the rows of one group before it.
    """

    groups: Groups
    pairs: tuple[tuple[int, int], ...]
    heights: tuple[float, ...]
    within: tuple[float, ...]

    def of_one_voice(self, same_voice: float) -> int:
        """How many merges join groups of one voice.

        Emotion makes the speech of a voice vary, within groups as between them, so the threshold falls with the
        similarity within groups.
        """
        thresholds = np.clip(np.array(self.within) - VARIATION, LEAST_SIMILAR, same_voice)
        differ = np.flatnonzero(np.array(self.heights) < thresholds)
        return int(differ[0]) if len(differ) else len(self.heights)

    def after(self, merges: int) -> Groups:
        """The groups after the first merges."""
        parts = {number: [number] for number in range(len(self.groups.members))}
        for kept, merged in self.pairs[:merges]:
            parts[kept] += parts.pop(merged)
        return Groups(
            tuple(tuple(row for number in part for row in self.groups.members[number]) for part in parts.values()),
            np.stack([self.groups.sums[part].sum(axis=0) for part in parts.values()]),
            np.array([self.groups.weights[part].sum() for part in parts.values()], dtype=np.float32),
        )


def find_voices(
    embeddings: Floats,
    seconds: Floats,
    conflicts: Pairs,
    *,
    same_voice: float,
    speakers: int | None,
    max_speakers: int | None,
) -> Floats:  # (voice, dim)
    """The mean embedding of each person, of unit length, at least one; `seconds` is the speech of each row."""
    groups = Groups.of_rows(embeddings, seconds)
    while len(groups.members) > MAX_ROWS:
        groups = _reduce(groups, conflicts, len(embeddings))
    merges = agglomerate(groups, conflicts, len(embeddings), until=1)
    return settle(embeddings, seconds, _unit(_choose(merges, same_voice, speakers, max_speakers).sums))


def settle(embeddings: Floats, seconds: Floats, voices: Floats) -> Floats:  # (voice, dim)
    """The voices after a few rounds of k-means."""
    for _ in range(ROUNDS):
        sums = np.zeros_like(voices)
        np.add.at(sums, nearest(embeddings, voices), embeddings * seconds[:, None])
        voices = np.where(sums.any(axis=1, keepdims=True), _unit(sums), voices)
    return voices


def nearest(embeddings: Floats, voices: Floats) -> npt.NDArray[np.intp]:  # (row,)
    return np.asarray((embeddings @ voices.T).argmax(axis=1), dtype=np.intp)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def _reduce(groups: Groups, conflicts: Pairs, rows: int) -> Groups:
    parts: list[Groups] = []
    for first in range(0, len(groups.members), MAX_ROWS):
        block = groups.part(first, first + MAX_ROWS)
        merges = agglomerate(block, conflicts, rows, until=-(-len(block.members) // LEFT))
        parts.append(merges.after(len(merges.pairs)))
    return Groups(
        tuple(members for part in parts for members in part.members),
        np.concatenate([part.sums for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def agglomerate(groups: Groups, conflicts: Pairs, rows: int, *, until: int) -> Merges:
    """Merge the most similar groups until so many are left; the similarity of two groups is the mean over their rows.

    Conflicts are evidence, not a prohibition: the segmenter sometimes splits one voice in two.
    """
    count = len(groups.members)
    sums, weights = groups.sums.copy(), groups.weights.copy()
    sizes = np.array([len(members) for members in groups.members], dtype=np.float32)
    links = _count_conflicts(groups.members, conflicts, rows)
    alive = np.ones(count, dtype=bool)

    def similarities(number: int) -> Floats:
        similar = sums @ sums[number] / (weights * weights[number])
        similar -= CONFLICT * links[number] / np.minimum(sizes, sizes[number])
        similar[~alive] = -np.inf
        similar[number] = -np.inf
        return np.asarray(similar, dtype=np.float32)

    table = np.stack([similarities(number) for number in range(count)])
    pairs: list[tuple[int, int]] = []
    heights: list[float] = []
    within: list[float] = []
    total, together = float(np.square(sums).sum()), float(np.square(weights).sum())
    for _ in range(count - until):
        kept, merged = divmod(int(table.argmax()), count)
        pairs.append((kept, merged))
        heights.append(float(table[kept, merged]))
        within.append(total / together)
        total += 2 * float(sums[kept] @ sums[merged])
        together += 2 * float(weights[kept] * weights[merged])
        for values in (sums, weights, sizes, links):
            values[kept] += values[merged]
        links[:, kept] += links[:, merged]
        alive[merged] = False
        table[merged, :] = table[:, merged] = -np.inf
        table[kept, :] = table[:, kept] = similarities(kept)
    return Merges(groups, tuple(pairs), tuple(heights), tuple(within))


def _count_conflicts(members: Sequence[Sequence[int]], conflicts: Pairs, rows: int) -> Floats:  # (group, group)
    group = np.full(rows, -1)
    for number, one in enumerate(members):
        group[list(one)] = number
    first, second = group[conflicts[:, 0]], group[conflicts[:, 1]]
    inside = (first >= 0) & (second >= 0) & (first != second)
    links = np.zeros((len(members), len(members)), dtype=np.float32)
    np.add.at(links, (first[inside], second[inside]), 1)
    return links + links.T


def _choose(merges: Merges, same_voice: float, speakers: int | None, max_speakers: int | None) -> Groups:
    """The groups that are people; the rows of smaller groups are assigned to a person later."""
    total = len(merges.pairs)
    smallest = max(MIN_SECONDS, MIN_SHARE * float(merges.groups.weights.sum()))
    if speakers is None:
        found = _largest(merges.after(merges.of_one_voice(same_voice)), smallest)
        if max_speakers is None or len(found.members) <= max_speakers:
            return found
        speakers = max_speakers
    for floor in (smallest, 0.0):  # the most merges that leave enough people; if none does, small groups count too
        for number in range(max(0, total + 1 - speakers), -1, -1):
            found = _largest(merges.after(number), floor)
            if len(found.members) >= speakers:
                return _first(found, speakers)
    return merges.after(0)


def _largest(groups: Groups, floor: float) -> Groups:
    """The groups of at least this weight, the largest first; at least one."""
    order = np.argsort(-groups.weights, kind="stable")
    return _first(groups, max(1, int((groups.weights >= floor).sum())), order)


def _first(groups: Groups, count: int, order: Sequence[int] | npt.NDArray[np.intp] | None = None) -> Groups:
    chosen = list(range(count)) if order is None else [int(number) for number in order[:count]]
    return Groups(tuple(groups.members[number] for number in chosen), groups.sums[chosen], groups.weights[chosen])
