"""The composition root of the worker: builds the stages of a job with this machine's engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from shared.domain import stage_plan
from shared.domain.emotion import NO_RECORDING, Modality
from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.job import Job
from shared.domain.stage_plan import StageSpec, stage_specs
from shared.engines import catalog
from shared.engines.catalog import SLOTS, Setup, Slot, choose
from shared.pipeline.compose import Compose
from shared.pipeline.decode import Decode
from shared.pipeline.detect_speech import DetectSpeech
from shared.pipeline.diarize import Diarize
from shared.pipeline.diarize_tracks import DiarizeTracks
from shared.pipeline.emotion_reader import EncodeThenFuse
from shared.pipeline.known_voices import KnownVoices
from shared.pipeline.platform.parse_transcript import (
    has_plain_lines,
    names_speakers,
    read_platform_transcript,
)
from shared.pipeline.platform.stages import ReadPlatformTranscript, ReadText, TurnsFromWords
from shared.pipeline.publish import Publish
from shared.pipeline.read_emotions import ReadEmotions
from shared.pipeline.stage import Stage
from shared.pipeline.track_faces import NoFaces, TrackFaces
from shared.pipeline.transcribe import Transcribe
from shared.ports.engines import ModalityEncoder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Local paths of the job's files."""

    recording: Path
    tracks: tuple[Path, ...] = ()
    platform_transcript: Path | None = None
    known_voices: tuple[Path, ...] = ()


StageBuilder = Callable[[], Stage]


class Loader(Protocol):
    def __call__(self, slot: Slot[T], requested: str | None, setup: Setup, /) -> T: ...


@dataclass(frozen=True, slots=True)
class Engines:
    """Loads the engine of each slot, as requested or else the best available one."""

    requested: Mapping[str, str]
    setup: Setup
    load: Loader

    def __call__(self, slot: Slot[T]) -> T:
        return self.load(slot, self.requested.get(slot.name), self.setup)


def assemble(job: Job, inputs: Inputs, setup: Setup) -> tuple[Stage, ...]:
    """Build every stage of this job with its engine; the last one publishes the transcript."""
    return tuple(build() for build in stage_builders(job, inputs, setup, choose).values())


def stage_builders(job: Job, inputs: Inputs, setup: Setup, load: Loader) -> Mapping[str, StageBuilder]:
    """Builders of the stages, in order, so that a worker loads only the engines of the stage it runs."""
    options = job.options
    if unknown := set(options.engines) - set(SLOTS):
        raise InvalidRequest(f"There is no engine slot {', '.join(sorted(unknown))}; the slots are {', '.join(SLOTS)}.")
    engines = Engines(options.engines, setup, load)
    uploaded, path = job.platform_transcript, inputs.platform_transcript
    content = path.read_bytes() if path else b""
    cues = read_platform_transcript(content, text_only=job.text_only) if path else ()
    builders: Mapping[StageSpec, StageBuilder] = {
        stage_plan.READ_TEXT: lambda: ReadText(
            cues, job.recording.sha256, options.language, times_estimated=has_plain_lines(content)
        ),
        stage_plan.COMPOSE_TEXT: lambda: Compose(stage_plan.COMPOSE_TEXT),
        stage_plan.READ_EMOTIONS_OF_TEXT: lambda: ReadEmotions(
            _emotions(job, engines), stage_plan.READ_EMOTIONS_OF_TEXT
        ),
        stage_plan.PUBLISH_TEXT: lambda: Publish(job, stage_plan.PUBLISH_TEXT),
        Decode.spec: lambda: Decode(engines(catalog.DECODER), job, inputs.recording, inputs.tracks),
        DetectSpeech.spec: lambda: DetectSpeech(engines(catalog.VAD), options.min_speech),
        Transcribe.spec: lambda: Transcribe(engines(catalog.ASR), options.language, options.vocabulary),
        ReadPlatformTranscript.spec: lambda: ReadPlatformTranscript(
            cues, uploaded.sha256 if uploaded else "", options.language
        ),
        Diarize.spec: lambda: Diarize(
            engines(catalog.SEGMENTATION),
            engines(catalog.SPEAKER),
            options.speakers,
            options.max_speakers,
            _known_voices(job, inputs, engines),
        ),
        DiarizeTracks.spec: DiarizeTracks,
        TurnsFromWords.spec: lambda: TurnsFromWords(unused_voices=len(job.known_voices)),
        TrackFaces.spec: lambda: TrackFaces(inputs.recording, engines(catalog.DECODER), engines(catalog.FACES)),
        NoFaces.spec: lambda: NoFaces("off"),
        stage_plan.COMPOSE: Compose,
        stage_plan.READ_EMOTIONS: lambda: ReadEmotions(_emotions(job, engines)),
        stage_plan.PUBLISH: lambda: Publish(job),
    }
    return {name: builders[spec] for name, spec in stage_specs(job, speakers_named=names_speakers(cues)).items()}


def _known_voices(job: Job, inputs: Inputs, engines: Engines) -> KnownVoices | None:
    clips = tuple(zip(job.known_voices, inputs.known_voices, strict=True))
    return KnownVoices(engines(catalog.DECODER), clips) if clips else None


def _emotions(job: Job, engines: Engines) -> EncodeThenFuse:
    """An explicitly requested modality must have its engine; other modalities without an engine are skipped."""
    options = job.options
    encoders: dict[Modality, ModalityEncoder] = {}
    absent: dict[Modality, str | None] = {}
    for modality in Modality:
        if modality not in options.modalities:
            absent[modality] = None
            continue
        if job.text_only and modality is not Modality.TEXT:
            absent[modality] = NO_RECORDING
            continue
        try:
            encoders[modality] = engines(catalog.ENCODERS[modality])
        except EngineUnavailable as error:
            if modality in options.engines:
                raise
            absent[modality] = error.code
    return EncodeThenFuse(encoders, engines(catalog.FUSION), absent)
