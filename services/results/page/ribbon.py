"""The ribbon of perceived emotion: a lane for each speaker, in which equal neighbours are one segment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from shared.domain.transcript import Transcript

STEPS = 800  # more than the ribbon's pixels on most screens; limits its size for long meetings
LABELLED = 7.0  # percent of the width; narrower segments have no room for their label
UNREAD = "unread"  # an utterance without a reading


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
    speaker: str
    name: str
    segments: tuple[Segment, ...]


def duration_of(transcript: Transcript) -> float:
    return max(transcript.recording.duration, *(one.end for one in transcript.utterances), 0.0, 0.0)


def lanes_of(transcript: Transcript, *, emotion: bool) -> tuple[Lane, ...]:
    step = max(duration_of(transcript), 1e-3) / STEPS
    seconds: dict[str, dict[int, Counter[str]]] = {one.id: {} for one in transcript.speakers}
    for one in transcript.utterances:
        label = str(one.emotion.label) if emotion and one.emotion else UNREAD
        lane = seconds.setdefault(one.speaker, {})
        for number in range(int(one.start / step), min(STEPS, int(one.end / step) + 1)):
            overlap = min(one.end, (number + 1) * step) - max(one.start, number * step)
            lane.setdefault(number, Counter())[label] += max(1, round(overlap * 1000))
    return tuple(Lane(one.id, one.name, tuple(_segments(seconds[one.id]))) for one in transcript.speakers)


def _segments(lane: Mapping[int, Counter[str]]) -> Iterator[Segment]:
    labels = [(number, lane[number].most_common(1)[0][0]) for number in sorted(lane)]
    # Equal labels without a gap have the same difference between step and position.
    runs = groupby(enumerate(labels), key=lambda item: (item[1][0] - item[0], item[1][1]))
    for (_, label), run in runs:
        numbers = [number for _, (number, _) in run]
        width = len(numbers) * 100 / STEPS
        yield Segment(round(numbers[0] * 100 / STEPS, 3), round(width, 3), label)
