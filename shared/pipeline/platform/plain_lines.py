"""Parses plain lines `Name: text`; their times are estimated from the length of the text."""

from __future__ import annotations

from collections.abc import Iterator

from shared.pipeline.platform.cue import Cue, with_names

CHARACTERS_PER_SECOND = 15.0  # of ordinary speech, with the spaces
PAUSE = 1.0  # seconds between two lines: long enough that each line is an utterance


def read_plain_lines(text: str) -> tuple[Cue, ...]:
    return tuple(cue for cue in with_names(tuple(_cues(text))) if cue.text)


def _cues(text: str) -> Iterator[Cue]:
    start = 0.0
    for line in filter(None, map(str.strip, text.split("\n"))):
        end = start + len(line) / CHARACTERS_PER_SECOND
        yield Cue(start=round(start, 3), end=round(end, 3), text=line)
        start = end + PAUSE
