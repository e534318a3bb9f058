"""Export for annotation programs and scoring tools: RTTM, CTM, STM, Praat TextGrid, ELAN EAF."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pympi
from praatio.data_classes.interval_tier import IntervalTier
from praatio.data_classes.textgrid import Textgrid

from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript
from shared.exports.captions import plain

UNDATED = "1970-01-01T00:00:00+00:00"  # the format requires a date; a constant one keeps the output deterministic
MIN_SECONDS = 0.001  # seconds; parsers reject anything shorter


def render_rttm(transcript: Transcript, *, emotion: bool) -> bytes:  # noqa: ARG001  (the format has no field for it)
    file = _word(Path(transcript.recording.name).stem)
    return _lines(
        f"SPEAKER {file} 1 {utterance.start:.3f} {utterance.duration:.3f} <NA> <NA> "
        f"{_word(transcript.name_of(utterance.speaker))} <NA> <NA>"
        for utterance in transcript.utterances
        if utterance.duration >= MIN_SECONDS
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
    file = _word(Path(transcript.recording.name).stem)
    return _lines(
        f"{file} 1 {_word(transcript.name_of(utterance.speaker))} {utterance.start:.3f} {utterance.end:.3f} "
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
    duration = max(
        [transcript.recording.duration, *(utterance.end for utterance in transcript.utterances), MIN_SECONDS]
    )
    grid = Textgrid(0, duration)
    for name, utterances in _tiers(transcript):
        spans = list(_apart(utterances))
        grid.addTier(IntervalTier(name, [(start, end, plain(u.text) or " ") for start, end, u in spans], 0, duration))
        if emotion and any(u.emotion for _, _, u in spans):
            labels = [(start, end, str(u.emotion.label)) for start, end, u in spans if u.emotion]
            grid.addTier(IntervalTier(f"{name}-emotion", labels, 0, duration))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.TextGrid")
        grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
        return path.read_bytes()


def render_eaf(transcript: Transcript, *, emotion: bool) -> bytes:
    file = pympi.Elan.Eaf(author="Undertone")
    file.adocument["DATE"] = UNDATED
    file.remove_tier("default")
    file.add_linguistic_type("emotion", constraints="Symbolic_Association", timealignable=False)
    for name, utterances in _tiers(transcript):
        file.add_tier(name)
        tier = f"{name}-emotion"
        if emotion:
            file.add_tier(tier, ling="emotion", parent=name)
        for start, end, utterance in _apart(utterances):
            first, last = round(start * 1000), round(end * 1000)
            file.add_annotation(name, first, last, plain(utterance.text))
            if emotion and utterance.emotion:
                file.add_ref_annotation(tier, name, (first + last) // 2, str(utterance.emotion.label))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.eaf")
        file.to_file(str(path), pretty=True)
        return path.read_bytes()


def _tiers(transcript: Transcript) -> Iterator[tuple[str, list[Utterance]]]:
    """One tier for each speaker; duplicate names get a number."""
    taken: set[str] = set()
    for speaker in transcript.speakers:
        name, number = plain(speaker.name) or speaker.id, 2
        while name in taken or f"{name}-emotion" in taken:
            name, number = f"{plain(speaker.name)} {number}", number + 1
        taken |= {name, f"{name}-emotion"}
        yield name, [utterance for utterance in transcript.utterances if utterance.speaker == speaker.id]


def _apart(utterances: Sequence[Utterance]) -> Iterator[tuple[float, float, Utterance]]:
    """The utterances clipped so that none overlap, without those that become too short: a tier allows neither."""
    edge = 0.0
    for utterance in sorted(utterances, key=lambda one: one.start):
        start, end = max(edge, utterance.start), utterance.end
        if end - start >= MIN_SECONDS:
            yield start, end, utterance
            edge = end
