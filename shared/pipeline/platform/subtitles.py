"""WebVTT and SRT as Zoom, Teams and Meet write them; times, names and words, and nothing of their markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from shared.domain.error import InvalidTranscript
from shared.domain.speech import Word
from shared.pipeline.platform.cue import CLOCK, HINT, Cue, seconds, with_names

TIMING = re.compile(rf"^\s*{CLOCK}\s*-->\s*{CLOCK}(?:\s.*)?$")
VOICE = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]*)>")
INLINE_CLOCK = re.compile(rf"<{CLOCK}>")
TAG = re.compile(r"<[^>]*>")


def read_subtitles(text: str) -> tuple[Cue, ...]:
    """The cues of a WebVTT or SRT file, with the names their lines begin with."""
    cues = with_names(tuple(_cues(text.split("\n"))))
    return tuple(cue for cue in cues if cue.text)


def _cues(lines: list[str]) -> Iterator[Cue]:
    place = 0
    while place < len(lines):
        line = lines[place]
        if re.match(r"^(NOTE|STYLE|REGION)(\s|$)", line) or (place == 0 and line.startswith("WEBVTT")):
            while place < len(lines) and lines[place].strip():
                place += 1
            continue
        if "-->" not in line:
            place += 1
            continue
        timing = TIMING.match(line)
        if timing is None:
            raise InvalidTranscript(f"Line {place + 1} of the transcript is no cue timing.", hint=HINT)
        start, end = seconds(timing.groups()[:4]), seconds(timing.groups()[4:])
        number = place + 1
        if end < start:
            raise InvalidTranscript(f"The cue in line {number} ends before it starts.", hint=HINT)
        place += 1
        body: list[str] = []
        while place < len(lines) and lines[place].strip() and "-->" not in lines[place]:
            body.append(lines[place])
            place += 1
        yield from _voices(start, end, " ".join(body))


def _voices(start: float, end: float, body: str) -> Iterator[Cue]:
    """One cue for each voice that speaks in it; several share the cue's time by the length of what they say."""
    pieces = VOICE.split(body)  # text before the first voice, then name and text by turns
    said: list[tuple[str | None, str]]
    said = [(None, pieces[0])] if TAG.sub("", pieces[0]).strip() or len(pieces) == 1 else []
    said += [(_plain(name) or None, text) for name, text in zip(pieces[1::2], pieces[2::2], strict=True)]
    total = sum(len(_plain(text)) for _, text in said) or 1
    begin = start
    for speaker, text in said:
        share = begin + (end - start) * len(_plain(text)) / total
        yield Cue(start=begin, end=share, speaker=speaker, text=_plain(text), words=_timed(text, begin, share))
        begin = share


def _timed(text: str, start: float, end: float) -> tuple[Word, ...]:
    """Words whose times stand between them: `We <00:00:01.200>lost <00:00:01.500>it`."""
    pieces = INLINE_CLOCK.split(text)
    if len(pieces) == 1:
        return ()
    times = [start, *(seconds(pieces[n : n + 4]) for n in range(1, len(pieces), 5)), end]
    words: list[Word] = []
    for number, piece in enumerate(pieces[0::5]):
        tokens = _plain(piece).split()
        begin, length = times[number], max(0.0, times[number + 1] - times[number])
        for place, token in enumerate(tokens):
            share = length / len(tokens)
            words.append(Word(text=token, start=begin + place * share, end=begin + (place + 1) * share))
    return tuple(words)


def _plain(text: str) -> str:
    """Tags dropped before entities are resolved, so that what was escaped stays text."""
    return " ".join(html.unescape(TAG.sub("", text)).split())
