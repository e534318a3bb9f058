"""Export for annotation programs and scoring tools: RTTM, CTM, STM, Praat TextGrid, ELAN EAF."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pympi

from shared.domain.span import Span
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript, joined_turns
from shared.exports.captions import plain
from shared.exports.textgrid import Interval, textgrid_lines

UNDATED = "1970-01-01T00:00:00+00:00"  # the format requires a date; a constant one keeps the output deterministic
MIN_SECONDS = 0.001  # seconds; parsers reject anything shorter


def render_rttm(transcript: Transcript, *, emotion: bool) -> bytes:  # noqa: ARG001  (the format has no field for it)
    """One line for each turn; touching turns of one name are joined, as scoring tools require."""
    file, names = _word(Path(transcript.recording.name).stem), transcript.names
    turns = joined_turns((_word(names[turn.speaker]), turn) for turn in transcript.turns)
    lines = sorted((span.start, span.duration, name) for name, spans in turns.items() for span in spans)
    return _lines(
        f"SPEAKER {file} 1 {start:.3f} {duration:.3f} <NA> <NA> {name} <NA> <NA>"
        for start, duration, name in lines
        if duration >= MIN_SECONDS
    )


def render_ctm(transcript: Transcript, *, emotion: bool) -> bytes:  # noqa: ARG001
    file = _word(Path(transcript.recording.name).stem)
    words = sorted(
        (word for utterance in transcript.utterances for word in utterance.words), key=lambda word: word.start
    )
    return _lines(
        f"{file} 1 {word.start:.3f} {word.duration:.3f} {_word(word.text)} "
        f"{1.0 if word.confidence is None else word.confidence:.4f}"
        for word in words
    )


def render_stm(transcript: Transcript, *, emotion: bool) -> bytes:  # noqa: ARG001
    file, names = _word(Path(transcript.recording.name).stem), transcript.names
    return _lines(
        f"{file} 1 {_word(names[utterance.speaker])} {utterance.start:.3f} {utterance.end:.3f} "
        f"{plain(utterance.text).replace('<', '‹').replace('>', '›')}".rstrip()
        for utterance in transcript.utterances
        if utterance.duration >= MIN_SECONDS
    )


def _lines(lines: Iterator[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _word(text: str) -> str:
    """The text without spaces: parsers split at spaces, and one silently misreads a name that contains any."""
    return re.sub(r"\s+", "_", plain(text)).lstrip(";") or "_"


def render_textgrid(transcript: Transcript, *, emotion: bool) -> bytes:
    ends = (span.end for span in (*transcript.utterances, *transcript.turns))
    duration = max(transcript.recording.duration, *ends, MIN_SECONDS)
    tiers: dict[str, list[Interval]] = {}
    for name, utterances, turns in _tiers(transcript):
        tiers[name] = [(start, end, plain(utterance.text) or " ") for start, end, utterance in utterances]
        if emotion and any(utterance.emotion for _, _, utterance in utterances):
            tiers[f"{name}-emotion"] = [
                (start, end, str(utterance.emotion.label)) for start, end, utterance in utterances if utterance.emotion
            ]
        tiers[f"{name}-turns"] = [(turn.start, turn.end, name) for turn in turns]
    return _lines(textgrid_lines(tiers, duration))


def render_eaf(transcript: Transcript, *, emotion: bool) -> bytes:
    file = pympi.Elan.Eaf(author="Undertone")
    file.adocument["DATE"] = UNDATED
    file.remove_tier("default")
    file.add_linguistic_type("emotion", constraints="Symbolic_Association", timealignable=False)
    for name, utterances, turns in _tiers(transcript):
        file.add_tier(name)
        for start, end, utterance in utterances:
            file.add_annotation(name, *_milliseconds(start, end), plain(utterance.text))
        if emotion:
            tier = f"{name}-emotion"
            file.add_tier(tier, ling="emotion", parent=name)
            # Not add_ref_annotation, which searches the whole tier for the annotation at a time.
            for annotation, (_, _, utterance) in zip(file.tiers[name][0], utterances, strict=True):
                if utterance.emotion:
                    reference = (annotation, str(utterance.emotion.label), None, None)
                    file.tiers[tier][1][file.generate_annotation_id()] = reference
        file.add_tier(f"{name}-turns")
        for turn in turns:
            file.add_annotation(f"{name}-turns", *_milliseconds(turn.start, turn.end), name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.eaf")
        file.to_file(str(path), pretty=True)
        return path.read_bytes()


def _milliseconds(start: float, end: float) -> tuple[int, int]:
    """Rounded to at least one millisecond: an annotation without duration is invalid."""
    first = round(start * 1000)
    return first, max(first + 1, round(end * 1000))


Entry = tuple[float, float, Utterance]


def _tiers(transcript: Transcript) -> Iterator[tuple[str, list[Entry], list[Span]]]:
    """The name, utterances and turns of each speaker; duplicate names get a number."""
    turns = joined_turns((turn.speaker, turn) for turn in transcript.turns)
    utterances: dict[str, list[Utterance]] = {}
    for utterance in transcript.utterances:
        utterances.setdefault(utterance.speaker, []).append(utterance)
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    for speaker in transcript.speakers:
        name = base = plain(speaker.name) or speaker.id
        while taken & (tiers := {name, f"{name}-emotion", f"{name}-turns"}):
            numbers[base] += 1
            name = f"{base} {numbers[base] + 1}"
        taken |= tiers
        own = [turn for turn in turns.get(speaker.id, ()) if turn.duration >= MIN_SECONDS]
        yield name, list(_apart(utterances.get(speaker.id, ()))), own


def _apart(utterances: Iterable[Utterance]) -> Iterator[Entry]:
    """The utterances clipped so that none overlap, without those that become too short: a tier allows neither."""
    edge = 0.0
    for utterance in sorted(utterances, key=lambda utterance: utterance.start):
        start, end = max(edge, utterance.start), utterance.end
        if end - start >= MIN_SECONDS:
            yield start, end, utterance
            edge = end
