"""Writes the reference files of the sample meeting: JSON with emotions, RTTM, STM, and WebVTT captions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from samples.sound import Meeting, Turn
from samples.story import CAST


def write_references(meeting: Meeting, folder: Path, name: str, duration: float) -> None:
    turns = meeting.turns
    (folder / f"{name}.json").write_text(_json(turns, name, duration))
    (folder / f"{name}.rttm").write_text(_lines(_rttm(turn, name) for turn in turns))
    (folder / f"{name}.stm").write_text(_lines(_stm(turn, name) for turn in turns))
    (folder / f"{name}.vtt").write_text(_lines(["WEBVTT", "", *(_cue(turn) for turn in turns)]))


def _json(turns: tuple[Turn, ...], name: str, duration: float) -> str:
    utterances = [
        {
            "start": turn.span.start,
            "end": turn.span.end,
            "speaker": turn.line.speaker,
            "emotion": turn.line.emotion,
            "text": turn.line.text,
        }
        for turn in turns
    ]
    content = {"recording": f"{name}.mp4", "duration": duration, "voices": CAST, "utterances": utterances}
    return json.dumps(content, indent=1) + "\n"


def _rttm(turn: Turn, name: str) -> str:
    return f"SPEAKER {name} 1 {turn.span.start:.3f} {turn.span.duration:.3f} <NA> <NA> {turn.line.speaker} <NA> <NA>"


def _stm(turn: Turn, name: str) -> str:
    return f"{name} 1 {turn.line.speaker} {turn.span.start:.3f} {turn.span.end:.3f} {turn.line.text}"


def _cue(turn: Turn) -> str:
    """Return a cue in the format of Teams: the name as voice, one cue per turn."""
    times = f"{_clock(turn.span.start)} --> {_clock(turn.span.end)}"
    return f"{times}\n<v {turn.line.speaker}>{turn.line.text}</v>\n"


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
