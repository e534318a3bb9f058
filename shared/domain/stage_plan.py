"""The table of stages, and the stages of a job; both drivers follow them, and planning needs no engine."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from shared.domain.emotion import Modality
from shared.domain.job import Job
from shared.domain.work import PlannedStage

CPU = "cpu"
GPU = "gpu"
FAST = "fast"  # short clips whose clients wait for the answer; some workers serve only this queue
QUEUES = (CPU, GPU, FAST)


class Opens(StrEnum):
    """The files that a stage opens besides the values of the stages that it needs; a worker downloads no others."""

    RECORDING = "recording"
    TRACKS = "tracks"
    TRANSCRIPT = "transcript"  # of the platform, if the job has one
    KNOWN_VOICES = "known_voices"
    ARRAYS = "arrays"  # audio samples and images of the stages that it needs


class StageSpec(PlannedStage):
    """One row of the table; `queue` is the queue in a deployment that has GPU workers."""

    opens: frozenset[Opens] = frozenset()
    # Seconds of work for each second of recording, on a slow processor; several times the measured values.
    time_factor: float = 0.0


DECODE = StageSpec(name="decode", opens={Opens.RECORDING, Opens.TRACKS})
DETECT_SPEECH = StageSpec(name="detect_speech", needs=("decode",), opens={Opens.ARRAYS}, time_factor=1.0)
TRANSCRIBE = StageSpec(
    name="transcribe", needs=("decode", "detect_speech"), queue=GPU, opens={Opens.ARRAYS}, time_factor=8.0
)
READ_TRANSCRIPT = StageSpec(
    name="transcribe", needs=("decode", "detect_speech"), opens={Opens.TRANSCRIPT}, time_factor=8.0
)
DIARIZE = StageSpec(
    name="diarize",
    needs=("decode", "detect_speech"),
    opens={Opens.ARRAYS, Opens.TRANSCRIPT, Opens.KNOWN_VOICES},
    time_factor=2.0,
)
DIARIZE_TRACKS = StageSpec(name="diarize", needs=("detect_speech",), opens={Opens.TRANSCRIPT}, time_factor=2.0)
TURNS_FROM_WORDS = StageSpec(name="diarize", needs=("transcribe",), opens={Opens.TRANSCRIPT}, time_factor=2.0)
TRACK_FACES = StageSpec(name="track_faces", needs=("decode", "detect_speech"), opens={Opens.RECORDING}, time_factor=4.0)
NO_FACES = StageSpec(name="track_faces")
COMPOSE = StageSpec(name="compose", needs=("detect_speech", "transcribe", "diarize"))
READ_EMOTIONS = StageSpec(
    name="read_emotions",
    needs=("decode", "transcribe", "diarize", "compose", "track_faces"),
    opens={Opens.ARRAYS},
    time_factor=2.0,
)
PUBLISH = StageSpec(  # needs every other stage, for the provenance
    name="publish",
    needs=("decode", "detect_speech", "transcribe", "diarize", "track_faces", "compose", "read_emotions"),
)
# Of a transcript without a recording.
READ_TEXT = StageSpec(name="transcribe", opens={Opens.TRANSCRIPT})
COMPOSE_TEXT = StageSpec(name="compose", needs=("transcribe", "diarize"))
READ_EMOTIONS_OF_TEXT = StageSpec(name="read_emotions", needs=("transcribe", "compose"), time_factor=2.0)
PUBLISH_TEXT = StageSpec(name="publish", needs=("transcribe", "diarize", "compose", "read_emotions"))
CAPTION = StageSpec(name="caption", needs=("publish",), opens={Opens.RECORDING}, time_factor=6.0)

# Stages that run after the end of the job. The job stays done even if one of them fails.
STAGES_AFTER_JOB = frozenset({CAPTION.name})


def stage_specs(job: Job, *, speakers_named: bool = False) -> Mapping[str, StageSpec]:
    """The stages until the job's end, in order; `speakers_named`: its platform transcript names the speakers."""
    if job.text_only:
        text_specs = (READ_TEXT, TURNS_FROM_WORDS, COMPOSE_TEXT, READ_EMOTIONS_OF_TEXT, PUBLISH_TEXT)
        return {spec.name: spec for spec in text_specs}
    turns = DIARIZE_TRACKS if job.tracks or job.options.separate_channels else DIARIZE
    specs = (
        DECODE,
        DETECT_SPEECH,
        READ_TRANSCRIPT if job.platform_transcript else TRANSCRIBE,
        TURNS_FROM_WORDS if speakers_named else turns,
        TRACK_FACES if Modality.FACE in job.options.modalities else NO_FACES,
        COMPOSE,
        READ_EMOTIONS,
        PUBLISH,
    )
    return {spec.name: spec for spec in specs}


def plan_stages(job: Job, *, gpu: bool = False, fast: bool = False) -> tuple[PlannedStage, ...]:
    """The stages of a job for the queue; `gpu` means that the deployment has GPU workers, `fast` a short clip."""
    # Whether a platform transcript names its speakers is known only after it is read: wait for the needs of both cases.
    named = stage_specs(job, speakers_named=job.platform_transcript is not None)
    stages = tuple(
        PlannedStage(
            name=name,
            needs=tuple(dict.fromkeys((*spec.needs, *named[name].needs))),
            queue=FAST if fast else spec.queue if gpu else CPU,
        )
        for name, spec in stage_specs(job).items()
    )
    return (*stages, CAPTION) if job.options.captions and not job.text_only else stages
