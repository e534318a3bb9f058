"""The composition root of the worker: builds the stages of a job with this machine's engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.domain.emotion import Modality
from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.job import Job, JobOptions
from shared.engines.catalog import CATALOG, Setup, choose
from shared.pipeline.compose import Compose
from shared.pipeline.decode import Decode
from shared.pipeline.detect_speech import DetectSpeech
from shared.pipeline.diarize import Diarize
from shared.pipeline.diarize_tracks import DiarizeTracks
from shared.pipeline.emotion_reader import EncodeThenFuse
from shared.pipeline.platform.cue import Cue
from shared.pipeline.platform.parse_transcript import names_speakers, read_platform_transcript
from shared.pipeline.platform.stages import ReadPlatformTranscript, TurnsFromWords
from shared.pipeline.publish import Publish
from shared.pipeline.read_emotions import ReadEmotions
from shared.pipeline.stage import Stage
from shared.pipeline.track_faces import NoFaces, TrackFaces
from shared.pipeline.transcribe import Transcribe
from shared.ports.engines import ModalityEncoder


@dataclass(frozen=True, slots=True)
class Inputs:
    """Local paths of the job's files."""

    recording: Path
    tracks: tuple[Path, ...] = ()
    platform_transcript: Path | None = None


Loader = Callable[[str, str | None, Setup], Any]
StageBuilder = Callable[[], Stage]


def load_engine(slot: str, requested: str | None, setup: Setup) -> Any:
    return choose(slot, requested, setup).engine


@dataclass(frozen=True, slots=True)
class Engines:
    """Loads the engine of each slot, as requested or else the best available one."""

    requested: Mapping[str, str]
    setup: Setup
    load: Loader

    def __call__(self, slot: str) -> Any:
        return self.load(slot, self.requested.get(slot), self.setup)


def assemble(job: Job, inputs: Inputs, setup: Setup, load: Loader = load_engine) -> tuple[Stage, ...]:
    """Build every stage of this job with its engine; the last one publishes the transcript."""
    return tuple(build() for build in stage_builders(job, inputs, setup, load).values())


def stage_builders(job: Job, inputs: Inputs, setup: Setup, load: Loader = load_engine) -> Mapping[str, StageBuilder]:
    """Builders of the stages, in order, so that a worker loads only the engines of the stage it runs."""
    unknown = set(job.options.engines) - set(CATALOG)
    if unknown:
        raise InvalidRequest(
            f"There is no engine slot {', '.join(sorted(unknown))}; the slots are {', '.join(CATALOG)}."
        )
    engines = Engines(job.options.engines, setup, load)
    stages: dict[str, StageBuilder] = {
        "decode": lambda: Decode(engines("decoder"), job, inputs.recording, inputs.tracks),
        "detect_speech": lambda: DetectSpeech(engines("vad")),
        "transcribe": lambda: _words(job, inputs, engines),
        "diarize": lambda: _turns(job, inputs, engines),
        "track_faces": lambda: _faces(job.options, inputs, engines),
        "compose": Compose,
        "read_emotions": lambda: ReadEmotions(_emotions(job.options, engines)),
    }
    return {**stages, "publish": lambda: Publish(job, needs=tuple(stages))}


def _words(job: Job, inputs: Inputs, engines: Engines) -> Stage:
    """Words from the platform's transcript, or from speech recognition."""
    if job.platform_transcript:
        return ReadPlatformTranscript(_cues(inputs), job.platform_transcript.sha256, job.options.language)
    transcriber = engines("asr")
    return Transcribe(
        transcriber,
        job.options.language,
        "gpu" if transcriber.on_gpu else "cpu",
        vocabulary=job.options.vocabulary,
    )


def _turns(job: Job, inputs: Inputs, engines: Engines) -> Stage:
    """Turns from the platform's speaker names, from one track per participant, or from diarization."""
    options = job.options
    if names_speakers(_cues(inputs)):
        return TurnsFromWords()
    if job.tracks or options.separate_channels:
        return DiarizeTracks()
    return Diarize(engines("segmentation"), engines("speaker"), options.speakers, options.max_speakers)


def _cues(inputs: Inputs) -> tuple[Cue, ...]:
    return read_platform_transcript(inputs.platform_transcript.read_bytes()) if inputs.platform_transcript else ()


def _faces(options: JobOptions, inputs: Inputs, engines: Engines) -> Stage:
    if Modality.FACE not in options.modalities:
        return NoFaces("off")
    return TrackFaces(inputs.recording, engines("decoder"), engines("faces"))


def _emotions(options: JobOptions, engines: Engines) -> EncodeThenFuse:
    """An explicitly requested modality must have its engine; other modalities without an engine are skipped."""
    encoders: dict[Modality, ModalityEncoder] = {}
    absent: dict[Modality, str | None] = {}
    for modality in Modality:
        if modality not in options.modalities:
            absent[modality] = None
            continue
        try:
            encoders[modality] = engines(modality)
        except EngineUnavailable as error:
            if modality in options.engines:
                raise
            absent[modality] = error.code
    return EncodeThenFuse(encoders, engines("fusion"), absent)
