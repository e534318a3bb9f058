"""The stages of a job as data, planned without loading engines: names, queues and dependencies."""

from __future__ import annotations

from shared.domain.emotion import Modality
from shared.domain.job import Job
from shared.domain.work import CAPTION, PlannedStage

CPU = "cpu"
GPU = "gpu"
QUEUES = (CPU, GPU)

AFTER_PUBLISH = PlannedStage(name=CAPTION, needs=("publish",))


def plan_stages(job: Job, *, gpu: bool = False) -> tuple[PlannedStage, ...]:
    """The stages that the worker's composition root builds; `gpu` means that the deployment has GPU workers."""
    recognised = job.platform_transcript is None
    stages = (
        PlannedStage(name="decode"),
        PlannedStage(name="detect_speech", needs=("decode",)),
        PlannedStage(name="transcribe", needs=("decode", "detect_speech"), queue=GPU if recognised and gpu else CPU),
        PlannedStage(name="diarize", needs=_diarize_needs(job)),
        PlannedStage(name="track_faces", needs=("decode", "detect_speech") if _uses_faces(job) else ()),
        PlannedStage(name="compose", needs=("detect_speech", "transcribe", "diarize")),
        PlannedStage(name="read_emotions", needs=("decode", "transcribe", "diarize", "compose", "track_faces")),
    )
    publish = PlannedStage(name="publish", needs=tuple(stage.name for stage in stages))
    return (*stages, publish, *((AFTER_PUBLISH,) if job.options.captions else ()))


def _diarize_needs(job: Job) -> tuple[str, ...]:
    if job.platform_transcript is not None:
        # Whether it names its speakers is known only after it is read, so turns wait for words and audio.
        return ("decode", "detect_speech", "transcribe")
    if job.tracks or job.options.separate_channels:
        return ("detect_speech",)
    return ("decode", "detect_speech")


def _uses_faces(job: Job) -> bool:
    return Modality.FACE in job.options.modalities
