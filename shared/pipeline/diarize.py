"""The diarize stage: embeds windows of speech, clusters them, and resegments every tenth of a second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.domain.span import Span
from shared.domain.speech import SpeakerTurn
from shared.domain.stage_plan import DIARIZE
from shared.pipeline.artifacts import SpeechMap, Turns, open_audio
from shared.pipeline.overlapped_speech import CLEARER, apply_segmentation, single_voice_windows
from shared.pipeline.resegment import Window, named, voice_turns
from shared.pipeline.stage import WholeStage, Workspace
from shared.ports.engines import Segmentation, SpeakerClusterer, SpeakerEncoder, SpeechSegmenter
from shared.ports.media import SAMPLE_RATE, Audio, Floats, Progress

HOP = 0.4  # seconds between windows of the first pass
MIN_SECONDS = 0.4  # seconds; a shorter span is too short for an embedding
COUNTABLE = 1.0  # seconds; only windows at least this long are clustered; shorter ones are assigned later
BATCH = 256


@dataclass(frozen=True, slots=True)
class Diarize(WholeStage):
    spec = DIARIZE
    encoder: SpeakerEncoder
    clusterer: SpeakerClusterer
    speakers: int | None = None
    max_speakers: int | None = None
    segmenter: SpeechSegmenter | None = None  # None: turns keep the detector's boundaries and do not overlap

    @property
    def engine(self) -> str:
        engines = [self.encoder, self.clusterer, *([self.segmenter] if self.segmenter else [])]
        return "+".join(engine.name for engine in engines)

    def identity(self) -> Mapping[str, object]:
        return {
            "encoder": self.encoder.fingerprint,
            "clusterer": self.clusterer.fingerprint,
            "same_voice": self.encoder.same_voice,
            "speakers": self.speakers,
            "max_speakers": self.max_speakers,
            **({"segmenter": self.segmenter.fingerprint, "overlap": 2} if self.segmenter else {}),
        }

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        speech = work.read("detect_speech", SpeechMap).tracks[0].spans
        audio = open_audio(work.inputs["decode"])
        turns = self.diarize(audio, speech, work.progress)
        work.write(Turns(turns=tuple(turns)))

    def diarize(self, audio: Audio, speech: Sequence[Span], progress: Progress) -> list[SpeakerTurn]:
        windows = list(windows_over(speech, self.encoder.window))
        if not windows:  # no speech, so the segmenter is not run on a possibly long recording
            return []
        share = 0.5 if self.segmenter else 1.0
        embeddings = embed_windows(self.encoder, audio, windows, lambda done: progress(done * share))
        segmentation = self.segmenter.segment(audio, lambda done: progress((1 + done) / 2)) if self.segmenter else None
        countable = _countable(windows, segmentation)
        same_voice = self.encoder.same_voice + (CLEARER if segmentation else 0)
        labels = self.clusterer.cluster(
            embeddings[countable], same_voice=same_voice, speakers=self.speakers, max_speakers=self.max_speakers
        )
        voices = np.stack([_mean(embeddings[countable][np.array(labels) == voice]) for voice in range(max(labels) + 1)])
        compared = [Window(span, similarity) for span, similarity in zip(windows, embeddings @ voices.T, strict=True)]
        turns = voice_turns(compared, speech)
        return named(apply_segmentation(turns, compared, segmentation) if segmentation else turns)


def _countable(windows: Sequence[Span], segmentation: Segmentation | None) -> npt.NDArray[np.bool_]:  # (window,)
    """The windows used for clustering: long ones with a single voice if there are any, else the best available."""
    found = np.array([window.duration >= COUNTABLE for window in windows], dtype=bool)
    if segmentation is not None and (single := found & single_voice_windows(windows, segmentation)).any():
        found = single
    return found if found.any() else np.ones(len(windows), dtype=bool)


def windows_over(speech: Sequence[Span], length: float) -> Iterator[Span]:
    """Sliding windows over each span of speech; a span shorter than one window is one window."""
    for span in speech:
        if span.duration < MIN_SECONDS:
            continue
        count = max(1, round((span.duration - length) / HOP) + 1)
        for number in range(count):
            start = span.start + number * max(0.0, span.duration - length) / max(1, count - 1)
            yield Span(start=start, end=min(span.end, start + length))


def embed_windows(encoder: SpeakerEncoder, audio: Audio, windows: Sequence[Span], progress: Progress) -> Floats:
    """Embed the windows in batches of similar length, to keep padding with silence short."""
    order = sorted(range(len(windows)), key=lambda number: (round(windows[number].duration, 1), number))
    found: dict[int, Floats] = {}
    for first in range(0, len(order), BATCH):
        batch = order[first : first + BATCH]
        clips = [np.asarray(audio.cut(windows[number]).samples) for number in batch]
        found |= dict(zip(batch, _embed_by_length(encoder, clips), strict=True))
        audio.release()
        progress((first + len(batch)) / len(order))
    return np.stack([found[number] for number in range(len(windows))]) if windows else np.zeros((0, 1), np.float32)


def _embed_by_length(encoder: SpeakerEncoder, clips: Sequence[Floats]) -> Iterator[Floats]:
    """Embed runs of clips whose lengths differ by at most a fifth of a second."""
    first = 0
    for number in range(1, len(clips) + 1):
        if number == len(clips) or abs(len(clips[number]) - len(clips[first])) > SAMPLE_RATE // 5:
            yield from encoder.embed(clips[first:number])
            first = number


def _mean(vectors: Floats) -> Floats:
    mean = vectors.mean(axis=0)
    unit: Floats = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return unit
