"""Parses WebVTT and SRT as written by Zoom, Teams and Meet: times, names and words without markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from shared.domain.error import InvalidTranscript
from shared.domain.speech import Word
from shared.pipeline.platform.cue import CLOCK, HINT, Cue, seconds, with_names

TIMING = re.compile(rf"^\s*{CLOCK}\s*-->\s*{CLOCK}(?:\s.*)?$")
# Each attempt to match ends at the next "<" or ">": a search must not scan the rest of the line for every "<".
VOICE = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]+([^>]*)>")
INLINE_CLOCK = re.compile(rf"<{CLOCK}>")
TAG = re.compile(r"<[^>]*>")
LONG_REFERENCE = re.compile(r"&#[0-9]{8,}")  # beyond Unicode; Python refuses to convert thousands of digits


def read_subtitles(text: str) -> tuple[Cue, ...]:
    """The cues of a WebVTT or SRT file, with speaker names from voice tags or line prefixes."""
    cues = with_names(tuple(_cues(text.split("\n"))))
    return tuple(cue for cue in cues if cue.text)


def _cues(lines: list[str]) -> Iterator[Cue]:
    index = 0
    while index < len(lines):
        line = lines[index]
        if re.match(r"^(NOTE|STYLE|REGION)(\s|$)", line) or (index == 0 and line.startswith("WEBVTT")):
            while index < len(lines) and lines[index].strip():
                index += 1
            continue
        if "-->" not in line:
            index += 1
            continue
        timing = TIMING.match(line)
        if timing is None:
            raise InvalidTranscript(f"Line {index + 1} of the transcript is not a valid cue timing.", hint=HINT)
        start, end = seconds(timing.groups()[:4]), seconds(timing.groups()[4:])
        number = index + 1
        if end < start:
            raise InvalidTranscript(f"The cue in line {number} ends before it starts.", hint=HINT)
        index += 1
        body: list[str] = []
        while index < len(lines) and lines[index].strip() and "-->" not in lines[index]:
            body.append(lines[index])
            index += 1
        yield from _voices(start, end, " ".join(body))


def _voices(start: float, end: float, body: str) -> Iterator[Cue]:
    """One cue for each voice tag; several voices share the time of the cue in proportion to their text length."""
    tagged, mark, rest = body.rpartition(">")
    pieces = VOICE.split(tagged + mark)  # text before the first voice, then alternating name and text
    pieces[-1] += rest
    voices: list[tuple[str | None, str]]
    voices = [(None, pieces[0])] if _without_tags(pieces[0]).strip() or len(pieces) == 1 else []
    voices += [(_plain(name) or None, text) for name, text in zip(pieces[1::2], pieces[2::2], strict=True)]
    total = sum(len(_plain(text)) for _, text in voices) or 1
    begin = start
    for speaker, text in voices:
        share = begin + (end - start) * len(_plain(text)) / total
        yield Cue(start=begin, end=share, speaker=speaker, text=_plain(text), words=_timed(text, begin, share))
        begin = share


def _timed(text: str, start: float, end: float) -> tuple[Word, ...]:
    """Words with inline times: `We <00:00:01.200>lost <00:00:01.500>it`."""
    pieces = INLINE_CLOCK.split(text)
    if len(pieces) == 1:
        return ()
    times = [start, *(seconds(pieces[n : n + 4]) for n in range(1, len(pieces), 5)), end]
    words: list[Word] = []
    for number, piece in enumerate(pieces[0::5]):
        tokens = _plain(piece).split()
        begin, length = times[number], max(0.0, times[number + 1] - times[number])
        for index, token in enumerate(tokens):
            share = length / len(tokens)
            words.append(Word(text=token, start=begin + index * share, end=begin + (index + 1) * share))
    return tuple(words)


def _plain(text: str) -> str:
    """Plain text; tags are removed before entities are decoded, so that escaped text is kept."""
    return " ".join(html.unescape(LONG_REFERENCE.sub("\ufffd", _without_tags(text))).split())


def _without_tags(text: str) -> str:
    """The text after the last ">" has no tags; without the cut, every "<" in it would be tried to its end."""
    tagged, mark, rest = text.rpartition(">")
    return TAG.sub("", tagged + mark) + rest
