"""Readers of dialogue lines and comments with the emotion perceived in the words."""

from __future__ import annotations

import ast
import csv
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from services.trainer.labels import EKMAN_OF_GOEMOTIONS, EMORYNLP, NUMBER, SENTIMENT_NUMBER, SENTIMENT_OF, UNKNOWN
from shared.domain.emotion import Emotion, Sentiment

CONTEXT = 3  # number of previous turns in the network's input


@dataclass(frozen=True, slots=True)
class CorpusLine:
    corpus: str
    text: str
    speaker: str
    before: tuple[tuple[str, str], ...]  # (speaker, text) of the turns before it, newest first
    emotions: tuple[int, ...]  # one, or several if annotators gave several
    sentiment: int
    fine: tuple[int, ...] = ()  # the 28 labels of GoEmotions


class Row(NamedTuple):
    dialogue: Hashable
    speaker: str
    text: str
    label: str
    sentiment: str = ""


def read_lines(path: Path, layout: str) -> list[CorpusLine]:
    return list({"meld": _meld, "emorynlp": _emorynlp, "goemotions": _goemotions, "csv": _csv}[layout](path))


def _meld(path: Path) -> Iterator[CorpusLine]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            Row(row["Dialogue_ID"], row["Speaker"], row["Utterance"], row["Emotion"], row["Sentiment"])
            for row in csv.DictReader(file)
        ]
    for row, before in _with_context(rows):
        sentiment = SENTIMENT_NUMBER[Sentiment(row.sentiment)]
        yield CorpusLine("meld", row.text, row.speaker, before, (NUMBER[Emotion(row.label)],), sentiment)


def _emorynlp(path: Path) -> Iterator[CorpusLine]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            Row(
                (row["Season"], row["Episode"], row["Scene_ID"]),
                ", ".join(ast.literal_eval(row["Speaker"])),
                row["Utterance"],
                row["Emotion"],
            )
            for row in csv.DictReader(file)
        ]
    for row, before in _with_context(rows):
        label = EMORYNLP[row.label]
        yield CorpusLine("emorynlp", row.text, row.speaker, before, (NUMBER[label],), _sentiment([label]))


def _goemotions(path: Path) -> Iterator[CorpusLine]:
    """Tab-separated text, label indices and id; `labels.txt` beside it names the indices: Ekman's seven or all 28."""
    names = (path.parent / "labels.txt").read_text(encoding="utf-8").split()
    for line in path.read_text(encoding="utf-8").splitlines():
        text, marks, *_ = line.split("\t")
        fine = tuple(int(mark) for mark in marks.split(","))
        emotions = [EKMAN_OF_GOEMOTIONS[names[mark]] if len(names) > 7 else Emotion(names[mark]) for mark in fine]
        text = text.replace("[NAME]", "someone").replace("[RELIGION]", "religion")
        labels = tuple(sorted({NUMBER[emotion] for emotion in emotions}))
        yield CorpusLine("goemotions", text, "", (), labels, _sentiment(emotions), fine if len(names) > 7 else ())


def _csv(path: Path) -> Iterator[CorpusLine]:
    """Columns text and label; dialogue and speaker are optional."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            Row(row.get("dialogue") or f"row {number}", row.get("speaker") or "", row["text"], row["label"])
            for number, row in enumerate(csv.DictReader(file))
        ]
    for row, before in _with_context(rows):
        label = Emotion(row.label)
        yield CorpusLine("csv", row.text, row.speaker, before, (NUMBER[label],), _sentiment([label]))


def _with_context(rows: list[Row]) -> Iterator[tuple[Row, tuple[tuple[str, str], ...]]]:
    before: tuple[tuple[str, str], ...] = ()
    dialogue: Hashable = None
    for row in rows:
        if row.dialogue != dialogue:
            dialogue, before = row.dialogue, ()
        yield row, before
        before = ((row.speaker, row.text), *before)[:CONTEXT]


def _sentiment(emotions: list[Emotion]) -> int:
    """The sentiment on which all emotions agree."""
    sentiments = {SENTIMENT_OF.get(emotion) for emotion in emotions}
    sentiment = sentiments.pop() if len(sentiments) == 1 else None
    return UNKNOWN if sentiment is None else SENTIMENT_NUMBER[sentiment]
