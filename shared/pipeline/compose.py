"""Composes utterances from words and turns; they are split at speaker changes, pauses and sentence ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.span import union
from shared.domain.speech import Transcription, Utterance, Word
from shared.domain.stage_plan import COMPOSE, DETECT_SPEECH, StageSpec
from shared.pipeline.artifacts import SpeechMap, Turns, Utterances
from shared.pipeline.assign_speakers import assign_speakers, within_speech
from shared.pipeline.stage import WholeStage, Workspace

PAUSE = 0.9  # seconds of silence that end an utterance
SENTENCE_PAUSE = 0.25  # seconds of silence that end an utterance after a full stop
SENTENCE_SPLIT_SECONDS = 8.0  # seconds after which an utterance ends with its sentence, even without a pause
MAX_SECONDS = 15.0  # maximum duration: one emotion reading for a whole minute is meaningless
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", "।")


@dataclass(frozen=True, slots=True)
class Compose(WholeStage):
    spec: StageSpec = COMPOSE
    engine: str = "undertone"

    def identity(self) -> Mapping[str, object]:
        return {"rules": 1}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        words: Sequence[Word] = work.read("transcribe", Transcription).words
        turns = work.read("diarize", Turns)
        if DETECT_SPEECH.name in self.spec.needs:
            speech = work.read("detect_speech", SpeechMap)
            words = within_speech(words, union(span for track in speech.tracks for span in track.spans))
        ids = {name: speaker for speaker, name in turns.names.items()}
        known = [_renamed(word, ids) for word in words]
        work.write(Utterances(utterances=tuple(compose(assign_speakers(known, turns.turns), apart=bool(ids)))))


def _renamed(word: Word, ids: Mapping[str, str]) -> Word:
    """Replace a participant's name by the participant's id."""
    speaker = ids.get(word.speaker) if word.speaker else None
    return word.model_copy(update={"speaker": speaker}) if speaker else word


def compose(words: Sequence[Word], *, apart: bool) -> list[Utterance]:
    """Utterances in order of their start. `apart`: each speaker has a separate track, so utterances may overlap."""
    streams = _by_speaker(words) if apart else [list(words)]
    pieces = [piece for stream in streams for run in _runs(stream) for piece in _short_enough(run)]
    pieces.sort(key=lambda piece: (piece[0].start, piece[-1].end))
    return [_utterance(index, piece) for index, piece in enumerate(pieces)]


def _by_speaker(words: Sequence[Word]) -> list[list[Word]]:
    streams: dict[str | None, list[Word]] = {}
    for word in words:
        streams.setdefault(word.speaker, []).append(word)
    return list(streams.values())


def _runs(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Split the words at speaker changes, pauses and sentence ends."""
    run: list[Word] = []
    for word in words:
        if run and _ends(run, word):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _ends(run: Sequence[Word], following: Word) -> bool:
    last = run[-1]
    gap = following.start - last.end
    if following.speaker != last.speaker or gap >= PAUSE:
        return True
    sentence = last.text.rstrip("\"'”’)").endswith(SENTENCE_ENDS)
    return sentence and (gap >= SENTENCE_PAUSE or last.end - run[0].start >= SENTENCE_SPLIT_SECONDS)


def _short_enough(run: list[Word]) -> Iterator[list[Word]]:
    """Split a run that is too long at its longest pause, but not near its start."""
    begin = 0
    while len(run) - begin > 1 and run[-1].end - run[begin].start > MAX_SECONDS:
        limit = run[begin].start + MAX_SECONDS
        reach = begin
        while reach < len(run) - 1 and run[reach].end <= limit:
            reach += 1
        reach = max(begin + 1, reach)
        first = max(begin + 1, (begin + reach) // 2)
        cut = max(range(first, reach + 1), key=lambda n: (run[n].start - run[n - 1].end, n))
        yield run[begin:cut]
        begin = cut
    yield run[begin:]


def _utterance(index: int, words: Sequence[Word]) -> Utterance:
    return Utterance(
        index=index,
        start=words[0].start,
        end=max(word.end for word in words),
        speaker=words[0].speaker or "",
        text=" ".join(word.text for word in words),
        words=tuple(words),
    )
