"""IEMOCAP: five sessions of two people each, cut into turns by its annotators.

The video of a dialogue shows both speakers side by side. It is read as mp4 anywhere in the session's `dialog` folder,
for example Ses01F_impro01.mp4; the corpus's own avi is not supported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from services.trainer.datasets.clip import Clip, sentiment_of
from services.trainer.labels import IEMOCAP, NUMBER, UNKNOWN
from shared.domain.span import Span

# A turn: its time span in brackets, its name, three letters, and three numbers, separated by tabs.
TURN = re.compile(r"^\[(?P<start>[\d.]+) - (?P<end>[\d.]+)\]\t(?P<name>\S+)\t(?P<code>[a-z]{3})\t")
# A line: its name, its time span in brackets, a colon, and the words.
LINE = re.compile(r"^(?P<name>\S+) \[[\d.]+-[\d.]+\]: (?P<text>.*)$")
SPLIT_OF = {"Session4": "dev", "Session5": "test"}  # whole sessions: no speaker is in two splits


def read_iemocap(data: Path) -> list[Clip]:
    return [
        clip
        for session in sorted(data.glob("Session*"))
        for turns in sorted((session / "dialog" / "EmoEvaluation").glob("[!.]*.txt"))
        for clip in _dialogue(session, turns)
    ]


def _dialogue(session: Path, turns: Path) -> Iterator[Clip]:
    name = turns.stem
    words = session / "dialog" / "transcriptions" / turns.name
    lines = _matched(LINE, words, "name", "text") if words.is_file() else ()
    text = {row[0]: row[1] for row in lines}
    film = next(iter(sorted((session / "dialog").rglob(f"{name}.mp4"))), None)
    rows = sorted(_matched(TURN, turns, "start", "end", "name", "code"), key=lambda row: float(row[0]))
    for start, end, turn, code in rows:
        emotion = IEMOCAP.get(code)
        yield Clip(
            path=session / "sentences" / "wav" / name / f"{turn}.wav",
            label=UNKNOWN if emotion is None else NUMBER[emotion],
            # The first letters are the session and the speaker with the markers; the last one is the current speaker.
            speaker=f"{session.name} {turn.rpartition('_')[2][0]}",
            dialogue=name,
            split=SPLIT_OF.get(session.name, "train"),
            text=text.get(turn, ""),
            sentiment=UNKNOWN if emotion is None else sentiment_of(emotion),
            film=film,
            span=Span(start=float(start), end=float(end)) if film else None,
        )


def _matched(pattern: re.Pattern[str], path: Path, *groups: str) -> Iterator[tuple[str, ...]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if found := pattern.match(line):
            yield found.group(*groups)
