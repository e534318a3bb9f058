"""Parses reference annotations of a recording: RTTM turns, STM words, UEM spans, intended emotions."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from shared.domain.emotion import Emotion
from shared.domain.error import InvalidRequest, InvalidTranscript, NotFound
from shared.domain.span import Span
from shared.domain.speech import SpeakerTurn
from shared.domain.value import Value

Entry = TypeVar("Entry")


class SpokenTurn(SpeakerTurn):
    """A turn with its words."""

    text: str


class IntendedTurn(Span, extra="ignore"):
    """A turn of a synthetic meeting with its intended emotion."""

    emotion: Emotion


class _IntendedTurns(Value, extra="ignore"):
    utterances: tuple[IntendedTurn, ...] = Field(min_length=1)


def read_rttm(path: Path, names: Collection[str]) -> tuple[SpeakerTurn, ...]:
    """The turns of the recording with one of `names`, or of the only recording in the file."""
    return _only(_entries(path, _rttm_line), names, path)


def read_stm(path: Path, names: Collection[str]) -> tuple[SpokenTurn, ...]:
    return _only(_entries(path, _stm_line), names, path)


def read_uem(path: Path, names: Collection[str]) -> tuple[Span, ...]:
    return _only(_entries(path, _uem_line), names, path)


def read_intentions(path: Path) -> tuple[IntendedTurn, ...]:
    try:
        return _IntendedTurns.model_validate_json(read_text(path)).utterances
    except ValidationError as error:
        raise InvalidTranscript(
            f"{path.name} has no intended emotions: {describe(error)}.",
            hint='The expected form is {"utterances": [{"start": 0.6, "end": 3.5, "emotion": "joy"}, …]}.',
        ) from error


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFound(f"The file {str(path)!r} does not exist.") from error
    except OSError as error:
        raise InvalidRequest(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidTranscript(f"{path.name} is not UTF-8 text.") from error


def describe(error: ValidationError) -> str:
    """The first validation error with its location."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def _entries(path: Path, parse: Callable[[str], tuple[str, Entry] | None]) -> Mapping[str, Sequence[Entry]]:
    """The entries per recording, in order; `;;` and `#` start a comment."""
    entries: dict[str, list[Entry]] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith((";;", "#")):
            continue
        try:
            parsed = parse(line)
        except ValueError as error:  # missing fields, an invalid number, or a span that ends before it starts
            raise InvalidTranscript(f"Line {number} of {path.name} cannot be read.") from error
        if parsed is not None:
            entries.setdefault(parsed[0], []).append(parsed[1])
    return entries


def _rttm_line(line: str) -> tuple[str, SpeakerTurn] | None:
    kind, *rest = line.split()
    if kind != "SPEAKER":  # SPKR-INFO and other types contain no turns
        return None
    recording, _channel, start, seconds, _text, _type, speaker = rest[:7]
    return recording, SpeakerTurn(start=float(start), end=float(start) + float(seconds), speaker=speaker)


def _stm_line(line: str) -> tuple[str, SpokenTurn]:
    recording, _channel, speaker, start, end, *rest = line.split(maxsplit=5)
    text = re.sub(r"^<[^>]*>\s*", "", "".join(rest))  # an optional label such as <o,f0,male>
    return recording, SpokenTurn(start=float(start), end=float(end), speaker=speaker, text=text)


def _uem_line(line: str) -> tuple[str, Span]:
    recording, _channel, start, end = line.split()
    return recording, Span(start=float(start), end=float(end))


def _only(entries: Mapping[str, Sequence[Entry]], names: Collection[str], path: Path) -> tuple[Entry, ...]:
    if not entries:
        raise InvalidTranscript(f"{path.name} contains no line that can be scored.")
    if len(entries) == 1:
        return tuple(*entries.values())
    for name in names:
        if name in entries:
            return tuple(entries[name])
    raise InvalidRequest(
        f"{path.name} contains several recordings ({', '.join(entries)}) and none is called {' or '.join(names)}.",
        hint="Name the transcript after its recording in that file, such as FILE.json.",
    )
