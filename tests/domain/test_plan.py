from __future__ import annotations

from pathlib import Path

import pytest

from services.worker.stage_factory import Inputs, assemble
from shared.domain.emotion import Modality
from shared.domain.job import Job, JobOptions, Source, Track
from shared.domain.stage_plan import STAGES_AFTER_JOB, plan_stages, stage_specs
from shared.domain.work import PlannedStage, check_plan
from shared.engines.catalog import Setup

RECORDING = Source(name="meeting.mp4", sha256="0" * 64)
TRACK = Track(name="Ana", sha256="0" * 64)
NAMED = "WEBVTT\n\n00:01.000 --> 00:02.000\nAna: hello there\n\n00:03.000 --> 00:04.000\nAna: good bye\n"
NAMELESS = "WEBVTT\n\n00:01.000 --> 00:02.000\nhello there\n"

KINDS = {
    "plain": Job(id="j", recording=RECORDING),
    "no face": Job(id="j", recording=RECORDING, options=JobOptions(modalities=(Modality.TEXT, Modality.VOICE))),
    "no modality": Job(id="j", recording=RECORDING, options=JobOptions(modalities=())),
    "tracks": Job(id="j", recording=RECORDING, tracks=(TRACK,)),
    "channels": Job(id="j", recording=RECORDING, options=JobOptions(separate_channels=True)),
}
READ = {
    "platform": Job(id="j", recording=RECORDING, platform_transcript=RECORDING),
    "text alone": Job(id="j", recording=RECORDING, platform_transcript=RECORDING, text_only=True),
    "platform and tracks": Job(id="j", recording=RECORDING, tracks=(TRACK,), platform_transcript=RECORDING),
}


def built(job: Job, setup: Setup, transcript: Path | None = None) -> tuple[PlannedStage, ...]:
    """The plan of the stages that the worker builds."""
    stages = assemble(job, Inputs(Path("recording"), (Path("track"),) * len(job.tracks), transcript), setup)
    specs = [stage.spec for stage in stages]
    return tuple(PlannedStage(name=spec.name, needs=spec.needs, queue=spec.queue) for spec in specs)


@pytest.mark.parametrize("kind", KINDS)
def test_plan_equals_the_stages_that_the_worker_builds(kind: str, setup: Setup) -> None:
    assert plan_stages(KINDS[kind], gpu=True) == built(KINDS[kind], setup)


def test_caption_stage_runs_after_the_job() -> None:
    plain, captioned = (
        plan_stages(Job(id="j", recording=RECORDING, options=JobOptions(captions=one))) for one in (False, True)
    )
    assert captioned[:-1] == plain
    assert (captioned[-1].name in STAGES_AFTER_JOB, captioned[-1].needs) == (True, ("publish",))


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("content", [NAMED, NAMELESS], ids=["named", "nameless"])
def test_plan_with_platform_transcript_includes_all_possible_needs(
    kind: str, content: str, setup: Setup, tmp_path: Path
) -> None:
    transcript = tmp_path / "transcript.vtt"
    transcript.write_text(content)
    planned, actual = plan_stages(READ[kind], gpu=True), built(READ[kind], setup, transcript)
    assert [stage.name for stage in planned] == [stage.name for stage in actual]
    for plan, stage in zip(planned, actual, strict=True):
        assert set(stage.needs) <= set(plan.needs)
        assert plan.name == "diarize" or plan == stage


@pytest.mark.parametrize("job", [*KINDS.values(), *READ.values()], ids=[*KINDS, *READ])
def test_every_plan_is_valid_and_only_transcription_uses_the_gpu(job: Job) -> None:
    plan = plan_stages(job, gpu=True)
    check_plan(plan)
    recognised = job.platform_transcript is None
    assert [stage.name for stage in plan if stage.queue == "gpu"] == (["transcribe"] if recognised else [])
    assert {stage.queue for stage in plan_stages(job)} == {"cpu"}


@pytest.mark.parametrize("speakers_named", [False, True])
@pytest.mark.parametrize("job", [*KINDS.values(), *READ.values()], ids=[*KINDS, *READ])
def test_a_stage_needs_only_stages_before_it_and_the_last_needs_all(job: Job, speakers_named: bool) -> None:
    """The driver in one process runs the stages in this order."""
    specs = stage_specs(job, speakers_named=speakers_named)
    names = list(specs)
    for position, name in enumerate(names):
        assert set(specs[name].needs) <= set(names[:position])
    assert specs[names[-1]].needs == tuple(names[:-1])
