"""The ribbon of perceived emotion: a lane for each speaker with the speaker's turns, which may overlap."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from shared.domain.span import Span, union
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript, joined_turns

STEPS = 800  # more than the ribbon's pixels on most screens; limits its size for long meetings
LABELLED = 7.0  # percent of the width; narrower segments have no room for their label
UNREAD = "unread"  # speech without a reading
OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class RibbonPiece:
    """A part of a turn with one label."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Segment:
    start: float  # percent of the duration, like the width
    width: float
    label: str

    @property
    def labelled(self) -> bool:
        return self.width >= LABELLED and self.label != UNREAD


@dataclass(frozen=True, slots=True)
class Lane:
    """`segments` and `overlaps` are for the whole meeting; a script draws a part of it from the exact times."""

    speaker: str
    name: str
    pieces: tuple[RibbonPiece, ...]
    segments: tuple[Segment, ...]
    overlapped: tuple[RibbonPiece, ...]  # parts in which another speaker also speaks
    overlaps: tuple[Segment, ...]

    @property
    def exact_pieces(self) -> str:
        return _written(self.pieces)

    @property
    def exact_overlaps(self) -> str:
        return _written(self.overlapped)

    @property
    def paths(self) -> tuple[tuple[str, str], ...]:
        """The path of each label, in SVG."""
        of_label: defaultdict[str, list[Segment]] = defaultdict(list)
        for one in self.segments:
            of_label[one.label].append(one)
        return tuple((label, _path(segments)) for label, segments in of_label.items())

    @property
    def overlap_path(self) -> str:
        return _path(self.overlaps)


def _path(segments: Iterable[Segment]) -> str:
    """One SVG path in a unit square, because browsers are slow with hundreds of elements."""
    return "".join(
        f"M{one.start / 100:.5f} 0H{(one.start + one.width) / 100:.5f}v1H{one.start / 100:.5f}z" for one in segments
    )


def _written(pieces: Iterable[RibbonPiece]) -> str:
    """Start and end in seconds and the label of each piece, separated by spaces."""
    return " ".join(f"{one.start:.2f} {one.end:.2f} {one.label}" for one in pieces)


def duration_of(transcript: Transcript) -> float:
    ends = (one.end for spans in (transcript.utterances, transcript.turns) for one in spans)
    return max(transcript.recording.duration, *ends, 0.0, 0.0)


def lanes_of(transcript: Transcript, *, emotion: bool) -> tuple[Lane, ...]:
    duration = max(duration_of(transcript), 1e-3)
    spoken = joined_turns((turn.speaker, turn) for turn in transcript.turns)
    said: defaultdict[str, list[Utterance]] = defaultdict(list)
    for one in transcript.utterances:
        said[one.speaker].append(one)
    crowded = _crowded(spoken.values())
    lanes = []
    for speaker in transcript.speakers:
        pieces = tuple(_pieces(spoken.get(speaker.id, ()), said[speaker.id], emotion=emotion))
        both = tuple(_within(spoken.get(speaker.id, ()), crowded))
        segments, overlaps = tuple(_segments(pieces, duration)), tuple(_segments(both, duration))
        lanes.append(Lane(speaker.id, speaker.name, pieces, segments, both, overlaps))
    return tuple(lanes)


def _pieces(turns: Iterable[Span], utterances: Sequence[Utterance], *, emotion: bool) -> Iterator[RibbonPiece]:
    """The turns, cut where the reading changes; both are in order of start."""
    first = 0
    for turn in turns:
        edge = turn.start
        while first < len(utterances) and utterances[first].end <= turn.start:
            first += 1
        for position in range(first, len(utterances)):
            one = utterances[position]
            if one.start >= turn.end:
                break
            start, end = max(edge, one.start), min(turn.end, one.end)
            if start >= end:
                continue
            if edge < start:
                yield RibbonPiece(edge, start, UNREAD)
            yield RibbonPiece(start, end, str(one.emotion.label) if emotion and one.emotion else UNREAD)
            edge = end
        if edge < turn.end:
            yield RibbonPiece(edge, turn.end, UNREAD)


def _crowded(spoken: Iterable[Sequence[Span]]) -> tuple[Span, ...]:
    """The spans in which at least two speakers speak."""
    changes = sorted((at, step) for spans in spoken for span in spans for at, step in ((span.start, 1), (span.end, -1)))
    speaking, found = 0, []
    for (at, step), (following, _) in pairwise(changes):
        speaking += step
        if speaking > 1 and following > at:
            found.append(Span(start=at, end=following))
    return union(found)


def _within(spans: Iterable[Span], others: Sequence[Span]) -> Iterator[RibbonPiece]:
    """The parts of the spans that are in the others; both are disjoint and in order."""
    for span in spans:
        for position in range(bisect_right(others, span.start, key=lambda one: one.end), len(others)):
            other = others[position]
            if other.start >= span.end:
                break
            yield RibbonPiece(max(span.start, other.start), min(span.end, other.end), OVERLAP)


def _segments(pieces: Iterable[RibbonPiece], duration: float) -> Iterator[Segment]:
    """The pieces on a grid of steps; equal neighbours are one segment."""
    step = duration / STEPS
    labels: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for piece in pieces:
        for number in range(int(piece.start / step), min(STEPS, int(piece.end / step) + 1)):
            shared = min(piece.end, (number + 1) * step) - max(piece.start, number * step)
            labels[number][piece.label] += max(1, round(shared * 1000))
    return _runs(labels)


def _runs(labels: Mapping[int, Counter[str]]) -> Iterator[Segment]:
    most = [(number, labels[number].most_common(1)[0][0]) for number in sorted(labels)]
    # Equal labels without a gap have the same difference between step and position.
    for (_, label), run in groupby(enumerate(most), key=lambda item: (item[1][0] - item[0], item[1][1])):
        numbers = [number for _, (number, _) in run]
        yield Segment(round(numbers[0] * 100 / STEPS, 3), round(len(numbers) * 100 / STEPS, 3), label)
