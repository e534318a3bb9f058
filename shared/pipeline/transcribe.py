"""The transcribe stage: speech recognition of the mix or of each track, in parts that may run separately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.coverage import speech_without_words
from shared.domain.span import Span
from shared.domain.speech import Speech, Transcription, Word
from shared.domain.stage_plan import TRANSCRIBE
from shared.pipeline.artifacts import SpeechMap, open_audio
from shared.pipeline.stage import Workspace
from shared.ports.engines import Transcriber

PART = 600.0  # seconds; the maximum loss of a killed run
SPLIT_FROM = 900.0  # seconds; a shorter recording is not split
MAX_LISTED = 10  # stretches of speech whose times a warning lists


@dataclass(frozen=True, slots=True)
class Transcribe:
    spec = TRANSCRIBE
    transcriber: Transcriber
    language: str | None = None
    vocabulary: tuple[str, ...] = ()

    @property
    def engine(self) -> str:
        return self.transcriber.name

    def identity(self) -> Mapping[str, object]:
        return {
            "transcriber": self.transcriber.fingerprint,
            "language": self.language,
            **({"vocabulary": self.vocabulary} if self.vocabulary else {}),
        }

    def split(self, work: Workspace, /) -> Sequence[Span]:
        speech = work.read("detect_speech", SpeechMap)
        return cut_at_pauses(sorted((span for track in speech.tracks for span in track.spans), key=lambda s: s.start))

    def run_part(self, work: Workspace, part: Span, /) -> None:
        work.write(self._transcribe_span(work, part))

    def run(self, work: Workspace, parts: Sequence[Path], /) -> None:
        found = [Transcription.model_validate_json((part / f"{work.stage}.json").read_bytes()) for part in parts]
        found = found or [self._transcribe_span(work, None)]
        words = in_time_order([word for transcription in found for word in transcription.words])
        if words and self.transcriber.note:
            work.warn("recogniser", self.transcriber.note)
        self._warn_about_vocabulary(work)
        _warn_about_lost_speech(work, words)
        work.write(found[0].model_copy(update={"words": words}))

    def _transcribe_span(self, work: Workspace, part: Span | None) -> Transcription:
        """Transcribe the tracks within the part; the language is always detected on the whole recording."""
        tracks = work.read("detect_speech", SpeechMap).tracks
        language, confidence = self.language, None
        if language is None:
            language, confidence = self._language(work, tracks)
        words: list[Word] = []
        vocabulary = self.vocabulary[: self.transcriber.vocabulary_capacity(self.vocabulary)]
        for number, track in enumerate(tracks):
            audio = open_audio(work.inputs["decode"], None if track.track is None else number)
            speech = [span for span in track.spans if part is None or part.start <= span.start < part.end]
            found = self.transcriber.transcribe(
                audio,
                speech,
                language=language,
                vocabulary=vocabulary,
                progress=lambda share, number=number: work.progress((number + share) / len(tracks)),  # type: ignore[misc]
            )
            language = language or found.language
            words += [word.model_copy(update={"speaker": track.track}) for word in found.words]
        return Transcription(words=in_time_order(words), language=language, language_confidence=confidence)

    def _warn_about_vocabulary(self, work: Workspace) -> None:
        capacity = self.transcriber.vocabulary_capacity(self.vocabulary)
        if self.vocabulary and not capacity:
            work.warn("vocabulary_unused", f"{self.transcriber.name} does not support a vocabulary.")
        elif capacity < len(self.vocabulary):
            work.warn(
                "vocabulary_cut",
                f"{self.transcriber.name} can use {capacity} of the {len(self.vocabulary)} vocabulary terms; from "
                f"{self.vocabulary[capacity]!r} on they are ignored. Put the most important first, or give fewer.",
            )

    def _language(self, work: Workspace, tracks: Sequence[Speech]) -> tuple[str | None, float | None]:
        number, longest = max(enumerate(tracks), key=lambda pair: sum(span.duration for span in pair[1].spans))
        audio = open_audio(work.inputs["decode"], None if longest.track is None else number)
        return self.transcriber.identify_language(audio, longest.spans)


def _warn_about_lost_speech(work: Workspace, words: Sequence[Word]) -> None:
    lost = [
        gap
        for track in work.read("detect_speech", SpeechMap).tracks
        for gap in speech_without_words(track.spans, [word for word in words if word.speaker == track.track])
    ]
    if lost:
        listed = ", ".join(f"{_clock(gap.start)} to {_clock(gap.end)}" for gap in lost[:MAX_LISTED])
        more = f" and {len(lost) - MAX_LISTED} more" if len(lost) > MAX_LISTED else ""
        work.warn("speech_without_words", f"No words were recognised in detected speech: {listed}{more}.")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{seconds % 60:04.1f}"


def in_time_order(words: Sequence[Word]) -> tuple[Word, ...]:
    return tuple(sorted(words, key=lambda word: (word.start, word.end)))


def cut_at_pauses(speech: Sequence[Span]) -> Sequence[Span]:
    """Parts of about ten minutes that start at the start of speech; empty for a short recording."""
    if not speech or max(span.end for span in speech) - speech[0].start < SPLIT_FROM:
        return ()
    begins = [0.0]
    for span in speech:
        if span.start - begins[-1] >= PART:
            begins.append(span.start)
    ends = [*begins[1:], max(span.end for span in speech) + 1.0]
    return tuple(Span(start=begin, end=end) for begin, end in zip(begins, ends, strict=True))
