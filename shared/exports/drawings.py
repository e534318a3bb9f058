"""Drawings of a meeting's summary, as shapes: talk time, perceived emotion of each speaker, course of its valence.

Everything that a colour says is also said by a pattern or a text. The pages and reports draw the same shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from shared.domain.emotion import EMOTIONS, Emotion
from shared.exports.captions import plain
from shared.exports.subtitles import clock
from shared.exports.summary import SpeakerSummary, Summary, ValencePoint

WIDTH = 400.0  # all lengths are in points from the top left
ROW = 46.0  # height of one speaker
BAR = 14.0
LABEL = 46  # characters of a name; longer ones are cut
NAMED = 3  # emotions of a speaker that are named above the bar
TOP, BOTTOM, LEFT, RIGHT = 12.0, 132.0, 34.0, 392.0  # of the course of valence
SMALL = 10

INK, PAPER = "#1d2126", "#ffffff"
COLOURS = {
    "track": "#d9d5cd",
    "talk": "#1f5680",
    "grid": "#d9d5cd",
    "course": "#1f5680",
    "point": "#1f5680",
    "turn": INK,
    Emotion.ANGER: "#b3261e",
    Emotion.DISGUST: "#5b7000",
    Emotion.FEAR: "#6a3fa0",
    Emotion.JOY: "#a86200",
    Emotion.NEUTRAL: "#7a828b",
    Emotion.SADNESS: "#2262b3",
    Emotion.SURPRISE: "#00766c",
}
# The lines of each emotion's pattern within a cell: left, top, right, bottom.
CELL = 8.0
PATTERNS: dict[Emotion, tuple[tuple[float, float, float, float], ...]] = {
    Emotion.ANGER: ((0, 0, 8, 8), (8, 0, 0, 8)),
    Emotion.DISGUST: ((0, 8, 8, 0),),
    Emotion.FEAR: ((2, 0, 2, 8), (6, 0, 6, 8)),
    Emotion.JOY: ((3, 4, 5, 4),),
    Emotion.NEUTRAL: (),
    Emotion.SADNESS: ((0, 2, 8, 2), (0, 6, 8, 6)),
    Emotion.SURPRISE: ((0, 0, 8, 8),),
}

Style = str  # a key of COLOURS; an emotion is drawn with its pattern


@dataclass(frozen=True, slots=True)
class Bar:
    left: float
    top: float
    width: float
    height: float
    style: Style


@dataclass(frozen=True, slots=True)
class Stroke:
    points: tuple[tuple[float, float], ...]
    style: Style


@dataclass(frozen=True, slots=True)
class Dot:
    left: float
    top: float
    style: Style


@dataclass(frozen=True, slots=True)
class Label:
    left: float
    top: float  # of the base line
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    size: int = 12


Shape = Bar | Stroke | Dot | Label


@dataclass(frozen=True, slots=True)
class Drawing:
    name: str
    title: str
    description: str  # what the drawing shows, in words
    height: float
    shapes: tuple[Shape, ...]


def draw_talk_time(summary: Summary) -> Drawing:
    """A bar for each speaker, as long as the speaker's share of the talk time."""
    shapes: list[Shape] = []
    said = []
    for number, one in enumerate(summary.speakers):
        top, text = number * ROW, f"{short_clock(one.talk_seconds)}, {one.share:.0%}"
        said.append(f"{_name(one)}: {text}")
        shapes += [
            Label(0, top + 14, _name(one)),
            Label(WIDTH, top + 14, text, "end"),
            Bar(0, top + 20, WIDTH, BAR, "track"),
            Bar(0, top + 20, WIDTH * one.share, BAR, "talk"),
        ]
    height = max(1, len(summary.speakers)) * ROW
    return Drawing("talk-time", "Share of talk time of each speaker", "; ".join(said), height, tuple(shapes))


def draw_emotions(summary: Summary) -> Drawing:
    """A bar for each speaker, divided by the mean of the perceived emotions, and a legend."""
    name, title = "emotions", "Perceived emotion of each speaker"
    read = [(one, one.perceived) for one in summary.speakers if one.perceived]
    if not read:
        return _nothing(name, title)
    shapes: list[Shape] = []
    said = []
    for number, (one, perceived) in enumerate(read):
        top, edge = number * ROW, 0.0
        most = sorted(EMOTIONS, key=perceived.__getitem__, reverse=True)[:NAMED]
        named = ", ".join(f"{emotion} {perceived[emotion]:.0%}" for emotion in most)
        said.append(f"{_name(one)}: {named}")
        shapes += [Label(0, top + 14, _name(one)), Label(WIDTH, top + 14, named, "end", SMALL)]
        for emotion in EMOTIONS:
            width = WIDTH * perceived[emotion]
            shapes.append(Bar(edge, top + 20, width, BAR, emotion))
            edge += width
    for number, emotion in enumerate(EMOTIONS):
        left, top = number % 4 * 100.0, len(read) * ROW + number // 4 * 20
        shapes += [Bar(left, top + 6, 18, 12, emotion), Label(left + 24, top + 16, emotion, size=SMALL)]
    return Drawing(name, title, "; ".join(said), len(read) * ROW + 44, tuple(shapes))


def draw_valence(summary: Summary) -> Drawing:
    """A line over time from unpleasant to pleasant, interrupted where nothing was read; turning points have numbers."""
    name, title = "valence", "Course of the perceived valence, from −1 (unpleasant) to +1 (pleasant)"
    points = [(point, point.perceived_valence) for point in summary.valence or ()]
    if all(value is None for _, value in points):
        return _nothing(name, title)
    shapes: list[Shape] = []
    for value, label in ((1.0, "+1"), (0.0, "0"), (-1.0, "−1")):
        shapes += [
            Stroke(((LEFT, _height(value)), (RIGHT, _height(value))), "grid"),
            Label(LEFT - 6, _height(value) + 4, label, "end", SMALL),
        ]
    anchors: tuple[Literal["start", "middle", "end"], ...] = ("start", "middle", "end")
    for half, anchor in enumerate(anchors):
        time = summary.duration * half / 2
        shapes.append(Label(_left(summary, time), BOTTOM + 18, short_clock(time), anchor, SMALL))
    for missing, run in groupby(points, key=lambda item: item[1] is None):
        if not missing:
            shapes += _course([(_left(summary, point.middle), _height(value or 0.0)) for point, value in run])
    for number, turn in enumerate(summary.turning_points or (), 1):
        left = _left(summary, turn.at)
        shapes += [Stroke(((left, TOP), (left, BOTTOM)), "turn"), Label(left + 3, TOP + 10, str(number), size=SMALL)]
    return Drawing(name, title, "; ".join(_values(points)), BOTTOM + 26, tuple(shapes))


def short_clock(seconds: float) -> str:
    return clock(seconds, ".").rpartition(".")[0]


def _values(points: Sequence[tuple[ValencePoint, float | None]]) -> Iterator[str]:
    yield from (f"{short_clock(point.start)}: {value:+.2f}" for point, value in points if value is not None)


def _course(points: Sequence[tuple[float, float]]) -> Iterator[Shape]:
    yield Stroke(tuple(points), "course")
    yield from (Dot(left, top, "point") for left, top in points)


def _left(summary: Summary, time: float) -> float:
    return LEFT + time / max(summary.duration, 1e-3) * (RIGHT - LEFT)


def _height(value: float) -> float:
    return TOP + (1 - value) / 2 * (BOTTOM - TOP)


def _name(one: SpeakerSummary) -> str:
    name = plain(one.name) or one.speaker
    return name if len(name) <= LABEL else f"{name[: LABEL - 1]}…"


def _nothing(name: str, title: str) -> Drawing:
    text = "No perceived emotion can be shown."
    return Drawing(name, title, text, 24, (Label(0, 16, text),))
