"""Scripted fakes of the ports, and helpers that build test data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared.domain.emotion import EMOTIONS, EmotionReading, EmotionScores, Sentiment, SentimentReading, SentimentScores
from shared.domain.recording import Probe
from shared.domain.span import Span
from shared.domain.speech import SpeakerTurn, Transcription, Utterance, Word
from shared.domain.stage_event import StageEvent
from shared.domain.stage_plan import StageSpec
from shared.domain.value import Value
from shared.pipeline.stage import WholeStage, Workspace
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import SAMPLE_RATE, Audio, Floats, Frame, Progress, TrackFile


def word(text: str, start: float, end: float, speaker: str | None = None, confidence: float | None = None) -> Word:
    return Word(text=text, start=start, end=end, speaker=speaker, confidence=confidence)


def turn(speaker: str, start: float, end: float, confidence: float = 1.0) -> SpeakerTurn:
    return SpeakerTurn(speaker=speaker, start=start, end=end, confidence=confidence)


def utterance(index: int, start: float, end: float, speaker: str = "S1", text: str = "hello there") -> Utterance:
    tokens = text.split()
    step = (end - start) / max(1, len(tokens))
    words = tuple(word(token, start + n * step, start + (n + 1) * step, speaker) for n, token in enumerate(tokens))
    return Utterance(index=index, start=start, end=end, speaker=speaker, text=text, words=words)


def reading(**scores: float) -> EmotionReading:
    """A reading with these scores; the rest is distributed evenly over the other emotions."""
    rest = (1 - sum(scores.values())) / (len(EMOTIONS) - len(scores)) if len(scores) < len(EMOTIONS) else 0.0
    emotions = EmotionScores({emotion: scores.get(emotion, rest) for emotion in EMOTIONS})
    sentiments = SentimentScores({Sentiment.NEGATIVE: 0.2, Sentiment.NEUTRAL: 0.7, Sentiment.POSITIVE: 0.1})
    return EmotionReading(
        label=emotions.label,
        confidence=emotions[emotions.label],
        scores=emotions,
        sentiment=SentimentReading(label=sentiments.label, scores=sentiments),
        modalities={},
    )


def silent(seconds: float) -> Floats:
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


def tone(seconds: float, hertz: float = 220.0, level: float = 0.3) -> Floats:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def workspace(tmp_path: Path, stage: str, events: list[StageEvent] | None = None, /, **inputs: Value) -> Workspace:
    """A workspace whose inputs contain the given values as outputs of the stages with these names."""
    folders: dict[str, Path] = {}
    for name, value in inputs.items():
        folders[name] = tmp_path / "inputs" / name
        folders[name].mkdir(parents=True, exist_ok=True)
        (folders[name] / f"{name}.json").write_text(value.model_dump_json())
    folder = tmp_path / "output"
    folder.mkdir(exist_ok=True)
    return Workspace(stage=stage, inputs=folders, folder=folder, emit=(events if events is not None else []).append)


def probe(seconds: float = 10.0, **changes: object) -> Probe:
    facts = {"duration": seconds, "sample_rate": SAMPLE_RATE, "container": "wav", "audio_codec": "pcm", **changes}
    return Probe.model_validate(facts)


def write_audio(work: Workspace, samples: Floats, *tracks: Floats) -> None:
    """Write the audio output of `decode`: the mix and the tracks."""
    decoded = work.inputs["decode"]
    (decoded / "mix.f32").write_bytes(samples.astype("<f4").tobytes())
    for number, track in enumerate(tracks):
        (decoded / f"track-{number}.f32").write_bytes(track.astype("<f4").tobytes())


@dataclass
class ScriptedStage(WholeStage):
    """Writes a file that lists its inputs, and counts its runs."""

    name: str
    needs: tuple[str, ...] = ()
    version: int = 1
    engine: str = "scripted"
    runs: int = 0
    act: Callable[[Workspace], None] = lambda work: None

    @property
    def spec(self) -> StageSpec:
        return StageSpec(name=self.name, needs=self.needs)

    def identity(self) -> Mapping[str, object]:
        return {"version": self.version}

    def run(self, work: Workspace, parts: Sequence[Path], /) -> None:
        self.runs += 1
        self.act(work)
        (work.folder / "out.txt").write_text(" ".join([self.name, *work.inputs]))


@dataclass
class ScriptedDetector:
    spans: Sequence[Span]
    name: str = "scripted-vad"
    fingerprint: str = "1"

    def detect(self, audio: Audio, progress: Progress) -> Sequence[Span]:
        progress(1.0)
        return [span for span in self.spans if span.start < audio.duration]


@dataclass
class ScriptedTranscriber:
    """Returns those of the given words that are within the given speech."""

    words: Sequence[Word]
    name: str = "scripted-asr"
    fingerprint: str = "1"
    note: str | None = None
    language: str | None = "en"
    languages: list[str | None] = field(default_factory=list)
    capacity: int = 100
    vocabularies: list[tuple[str, ...]] = field(default_factory=list)

    def identify_language(self, audio: Audio, speech: Sequence[Span]) -> tuple[str | None, float | None]:
        return self.language, 0.9

    def vocabulary_capacity(self, vocabulary: Sequence[str]) -> int:
        return min(self.capacity, len(vocabulary))

    def transcribe(
        self,
        audio: Audio,
        speech: Sequence[Span],
        *,
        language: str | None,
        progress: Progress,
        vocabulary: Sequence[str] = (),
    ) -> Transcription:
        self.languages.append(language)
        self.vocabularies.append(tuple(vocabulary))
        progress(1.0)
        found = [w for w in self.words if any(span.start <= w.start < span.end for span in speech)]
        return Transcription(words=tuple(found), language=language)


@dataclass
class ScriptedEncoder:
    """Identifies voices by pitch: the embedding of a clip depends on its loudest frequency."""

    same_voice: float = 0.65
    name: str = "scripted-encoder"
    fingerprint: str = "1"
    calls: int = 0

    def embed(self, clips: Sequence[Floats]) -> Floats:
        self.calls += 1
        found = np.zeros((len(clips), 16), dtype=np.float32)
        for number, clip in enumerate(clips):
            spectrum = np.abs(np.fft.rfft(clip))
            hertz = spectrum.argmax() * SAMPLE_RATE / len(clip)
            found[number, min(15, int(hertz // 100))] = 1.0
        return found


@dataclass
class ScriptedSegmenter:
    """Reports every voice in its spans, in overlapping windows; the numbers of the voices differ between windows."""

    voices: Sequence[Sequence[Span]]
    length: int = 100  # frames of a window
    hop: int = 20  # frames
    step: float = 0.05
    name: str = "scripted-segmenter"
    fingerprint: str = "1"

    def segment(self, audio: Audio, speech: Sequence[Span], progress: Progress) -> Segmentation:
        times = (np.arange(round(audio.duration / self.step)) + 0.5) * self.step
        active = np.stack([_inside(times, spans) for spans in self.voices], axis=1)
        firsts = range(0, max(1, len(active) - self.length + self.hop), self.hop) if len(active) else ()
        progress(1.0)
        return Segmentation(
            audio.start,
            self.step,
            tuple(
                LocalSpeakers(first, np.roll(active[first : first + self.length], number, axis=1))
                for number, first in enumerate(firsts)
            ),
        )


def _inside(times: np.ndarray, spans: Sequence[Span]) -> Floats:
    return np.array([any(span.start <= time < span.end for span in spans) for time in times], dtype=np.float32)


@dataclass
class ScriptedDecoder:
    """Writes the given samples, and returns the given frames."""

    samples: Floats = field(default_factory=lambda: silent(1.0))
    pictures: Sequence[Frame] = ()
    found: Probe | None = None
    name: str = "scripted-decoder"
    fingerprint: str = "1"

    def decode(
        self,
        media: Path,
        into: Path,
        *,
        tracks: Sequence[TrackFile],
        separate_channels: bool,
        progress: Progress,
    ) -> Probe:
        (into / "mix.f32").write_bytes(self.samples.astype("<f4").tobytes())
        progress(1.0)
        return self.found or probe(len(self.samples) / SAMPLE_RATE)

    def frames(self, media: Path, within: Sequence[Span], *, per_second: float, longest_side: int) -> Iterator[Frame]:
        for frame in self.pictures:
            if any(span.start <= frame.time < span.end for span in within):
                yield frame


# Vocabulary of the tokenizer in tests of the text network.
WORD_PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", ":", "hello", "why", "it", "'", "s"]
