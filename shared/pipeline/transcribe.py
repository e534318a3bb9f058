"""Hear the words: of the mix, or of each participant's track, in parts of some minutes that may run apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.span import Span
from shared.domain.speech import Speech, Transcription, Word
from shared.pipeline.artifacts import SpeechMap, open_audio
from shared.pipeline.stage import Queue, Workspace
from shared.ports.engines import Transcriber

PART = 600.0  # seconds: what a killed run loses at most
SPLIT_FROM = 900.0  # a shorter recording is not worth the joints


@dataclass(frozen=True, slots=True)
class Transcribe:
    transcriber: Transcriber
    language: str | None = None
    queue: Queue = "cpu"
    name: str = "transcribe"
    needs: tuple[str, ...] = ("decode", "detect_speech")
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
        heard = [Transcription.model_validate_json((part / f"{self.name}.json").read_bytes()) for part in parts]
        heard = heard or [self._transcribe_span(work, None)]
        words = in_time_order([word for hearing in heard for word in hearing.words])
        if words and self.transcriber.note:
            work.warn("recogniser", self.transcriber.note)
        self._warn_about_vocabulary(work)
        work.write(heard[0].model_copy(update={"words": words}))

    def _transcribe_span(self, work: Workspace, part: Span | None) -> Transcription:
        """One language for the whole recording, whichever part asks; then each track that speaks within the part."""
        tracks = work.read("detect_speech", SpeechMap).tracks
        language, confidence = self.language, None
        if language is None:
            language, confidence = self._language(work, tracks)
        words: list[Word] = []
        told = self.vocabulary[: self.transcriber.vocabulary_capacity(self.vocabulary)]
        for number, track in enumerate(tracks):
            audio = open_audio(work.inputs["decode"], None if track.track is None else number)
            speech = [span for span in track.spans if part is None or part.start <= span.start < part.end]
            heard = self.transcriber.transcribe(
                audio,
                speech,
                language=language,
                vocabulary=told,
                progress=lambda share, number=number: work.progress((number + share) / len(tracks)),  # type: ignore[misc]
            )
            language = language or heard.language
            words += [word.model_copy(update={"speaker": track.track}) for word in heard.words]
        return Transcription(words=in_time_order(words), language=language, language_confidence=confidence)

    def _warn_about_vocabulary(self, work: Workspace) -> None:
        room = self.transcriber.vocabulary_capacity(self.vocabulary)
        if self.vocabulary and not room:
            work.warn("vocabulary_unused", f"{self.transcriber.name} cannot be told which words may be said.")
        elif room < len(self.vocabulary):
            work.warn(
                "vocabulary_cut",
                f"{self.transcriber.name} can be told {room} of the {len(self.vocabulary)} names and words; from "
                f"{self.vocabulary[room]!r} on they are left out. Put the weightiest first, or ask for fewer.",
            )

    def _language(self, work: Workspace, tracks: Sequence[Speech]) -> tuple[str | None, float | None]:
        number, talkative = max(enumerate(tracks), key=lambda pair: sum(span.duration for span in pair[1].spans))
        audio = open_audio(work.inputs["decode"], None if talkative.track is None else number)
        return self.transcriber.identify_language(audio, talkative.spans)


def in_time_order(words: Sequence[Word]) -> tuple[Word, ...]:
    return tuple(sorted(words, key=lambda word: (word.start, word.end)))


def cut_at_pauses(speech: Sequence[Span]) -> Sequence[Span]:
    """Parts of about ten minutes that begin where a stretch of speech does; none for a short recording."""
    if not speech or max(span.end for span in speech) - speech[0].start < SPLIT_FROM:
        return ()
    begins = [0.0]
    for span in speech:
        if span.start - begins[-1] >= PART:
            begins.append(span.start)
    ends = [*begins[1:], max(span.end for span in speech) + 1.0]
    return tuple(Span(start=begin, end=end) for begin, end in zip(begins, ends, strict=True))
