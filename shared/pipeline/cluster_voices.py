"""Clusters embeddings by average linkage; voices that speak in the same window count against being one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from shared.ports.media import Floats

MAX_ROWS = 800  # more are first merged block by block, so that cost grows linearly with the recording
LEFT = 4  # of so many rows of a block, one is left
CONFLICT = 0.5  # similarity that two groups lose if every row of the smaller one conflicts with the other group
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
    """Every step of the agglomeration: `pairs[n]` were merged at similarity `heights[n]`."""

    groups: Groups
    pairs: tuple[tuple[int, int], ...]
    heights: tuple[float, ...]

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
    sums = _choose(merges, same_voice, speakers, max_speakers).sums
    voices: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return voices


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
    for _ in range(count - until):
        kept, merged = divmod(int(table.argmax()), count)
        pairs.append((kept, merged))
        heights.append(float(table[kept, merged]))
        for values in (sums, weights, sizes, links):
            values[kept] += values[merged]
        links[:, kept] += links[:, merged]
        alive[merged] = False
        table[merged, :] = table[:, merged] = -np.inf
        table[kept, :] = table[:, kept] = similarities(kept)
    return Merges(groups, tuple(pairs), tuple(heights))


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
        natural = next((number for number, height in enumerate(merges.heights) if height < same_voice), total)
        found = _largest(merges.after(natural), smallest)
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
