"""The composition root: from a job and this machine's engines to the stages that make its transcript."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.domain.emotion import Modality
from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.job import Job, Wishes
from shared.engines.catalog import CATALOG, Setup, choose
from shared.pipeline.compose import Compose
from shared.pipeline.decode import Decode
from shared.pipeline.detect_speech import DetectSpeech
from shared.pipeline.diarize import Diarize
from shared.pipeline.diarize_tracks import DiarizeTracks
from shared.pipeline.emotion_reader import EncodeThenFuse
from shared.pipeline.platform.reading import names_speakers, read_platform_transcript
from shared.pipeline.platform.stages import ReadPlatformTranscript, TurnsFromWords
from shared.pipeline.publish import Publish
from shared.pipeline.read_emotions import ReadEmotions
from shared.pipeline.stage import Stage
from shared.pipeline.track_faces import NoFaces, TrackFaces
from shared.pipeline.transcribe import Transcribe
from shared.ports.engines import ModalityEncoder


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where the job's files lie on this machine."""

    recording: Path
    tracks: tuple[Path, ...] = ()
    platform_transcript: Path | None = None


@dataclass(frozen=True, slots=True)
class Engines:
    """The engine of each slot, as wished or as this machine can."""

    wished: Mapping[str, str]
    setup: Setup

    def __call__(self, slot: str) -> Any:
        return choose(slot, self.wished.get(slot), self.setup).engine


def assemble(job: Job, inputs: Inputs, setup: Setup) -> tuple[Stage, ...]:
    """Every stage of this job with its engine, the last of them publishing the transcript."""
    unknown = set(job.wishes.engines) - set(CATALOG)
    if unknown:
        raise InvalidRequest(
            f"There is no engine slot {', '.join(sorted(unknown))}; the slots are {', '.join(CATALOG)}."
        )
    engines = Engines(job.wishes.engines, setup)
    decoder = engines("decoder")
    stages = (
        Decode(decoder, job, inputs.recording, inputs.tracks),
        DetectSpeech(engines("vad")),
        *_words_and_turns(job, inputs, engines),
        _faces(job.wishes, inputs, engines),
        Compose(),
        ReadEmotions(_emotions(job.wishes, engines)),
    )
    return (*stages, Publish(job, needs=tuple(stage.name for stage in stages)))


def _words_and_turns(job: Job, inputs: Inputs, engines: Engines) -> tuple[Stage, Stage]:
    """The platform's own words and names, one track per participant, or all found out by listening."""
    wishes = job.wishes
    apart = bool(job.tracks) or wishes.separate_channels
    cues = read_platform_transcript(inputs.platform_transcript.read_bytes()) if inputs.platform_transcript else ()
    words: Stage
    if job.platform_transcript:
        words = ReadPlatformTranscript(cues, job.platform_transcript.sha256, wishes.language)
    else:
        transcriber = engines("asr")
        words = Transcribe(transcriber, wishes.language, "gpu" if transcriber.on_gpu else "cpu")
    if names_speakers(cues):
        return words, TurnsFromWords()
    if apart:
        return words, DiarizeTracks()
    return words, Diarize(engines("speaker"), engines("clusterer"), wishes.exactly_speakers, wishes.at_most_speakers)


def _faces(wishes: Wishes, inputs: Inputs, engines: Engines) -> Stage:
    if Modality.FACE not in wishes.modalities:
        return NoFaces("off")
    return TrackFaces(inputs.recording, engines("decoder"), engines("faces"))


def _emotions(wishes: Wishes, engines: Engines) -> EncodeThenFuse:
    """A sense that was asked for by name must have its engine; of the others, those that can run here do."""
    encoders: dict[Modality, ModalityEncoder] = {}
    absent: dict[Modality, str | None] = {}
    for modality in Modality:
        if modality not in wishes.modalities:
            absent[modality] = None
            continue
        try:
            encoders[modality] = engines(modality)
        except EngineUnavailable as error:
            if modality in wishes.engines:
                raise
            absent[modality] = error.code
    return EncodeThenFuse(encoders, engines("fusion"), absent)
