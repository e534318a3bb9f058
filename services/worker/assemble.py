"""The composition root: from a job and this machine's engines to the stages that make its transcript."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.pipeline.compose import Compose
from shared.pipeline.decode import Decode
from shared.pipeline.detect_speech import DetectSpeech
from shared.pipeline.publish import Publish

from shared.domain.job import Job
from shared.engines.catalog import Setup
from shared.pipeline.stage import Stage


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where the job's files lie on this machine."""

    recording: Path
    tracks: tuple[Path, ...] = ()
    platform_transcript: Path | None = None


def assemble(job: Job, inputs: Inputs, setup: Setup) -> tuple[Stage, ...]:
    """Every stage of this job, with its engine; the graph follows from what each needs."""
    chosen = _Engines(job.wishes.engines, setup)
    stages: list[Stage] = [
        Decode(...),
        DetectSpeech(chosen("vad")),
        *_words_and_speakers(job, inputs, chosen),
        _faces(job, inputs, chosen),
        Compose(),
        _emotions(job, chosen),
    ]
    return (*stages, Publish(needs=tuple(stage.name for stage in stages)))
