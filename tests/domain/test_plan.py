from __future__ import annotations

from pathlib import Path

import pytest

from services.worker.stage_factory import Inputs, assemble
from shared.domain.emotion import Modality
from shared.domain.job import Job, JobOptions, Source
from shared.domain.stage_plan import plan_stages
from shared.domain.work import STAGES_AFTER_JOB, PlannedStage, check_plan
from shared.engines.catalog import Setup

RECORDING = Source(name="meeting.mp4", sha256="0" * 64)
NAMED = "WEBVTT\n\n00:01.000 --> 00:02.000\nAna: hello there\n\n00:03.000 --> 00:04.000\nAna: good bye\n"
NAMELESS = "WEBVTT\n\n00:01.000 --> 00:02.000\nhello there\n"

KINDS = {
    "plain": Job(id="j", recording=RECORDING),
    "no face": Job(id="j", recording=RECORDING, options=JobOptions(modalities=(Modality.TEXT, Modality.VOICE))),
    "no sense": Job(id="j", recording=RECORDING, options=JobOptions(modalities=())),
    "tracks": Job(id="j", recording=RECORDING, tracks=(RECORDING,)),
    "channels": Job(id="j", recording=RECORDING, options=JobOptions(separate_channels=True)),
}
READ = {
    "platform": Job(id="j", recording=RECORDING, platform_transcript=RECORDING),
    "platform and tracks": Job(id="j", recording=RECORDING, tracks=(RECORDING,), platform_transcript=RECORDING),
}


def built(job: Job, setup: Setup, transcript: Path | None = None) -> tuple[PlannedStage, ...]:
    """The plan that the worker's own stages amount to."""
    stages = assemble(job, Inputs(Path("recording"), (Path("track"),) * len(job.tracks), transcript), setup)
    return tuple(PlannedStage(name=stage.name, needs=stage.needs, queue=stage.queue) for stage in stages)


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_is_what_the_worker_builds(kind: str, setup: Setup) -> None:
    assert plan_stages(KINDS[kind]) == built(KINDS[kind], setup)


def test_captions_follow_the_end_of_the_job() -> None:
    plain, wished = (
        plan_stages(Job(id="j", recording=RECORDING, options=JobOptions(captions=one))) for one in (False, True)
    )
    assert wished[:-1] == plain
    assert (wished[-1].name in STAGES_AFTER_JOB, wished[-1].needs) == (True, ("publish",))


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("content", [NAMED, NAMELESS], ids=["named", "nameless"])
def test_a_platforms_words_decide_late_what_turns_need_so_the_plan_waits_for_all_of_it(
    kind: str, content: str, setup: Setup, tmp_path: Path
) -> None:
    transcript = tmp_path / "transcript.vtt"
    transcript.write_text(content)
    planned, really = plan_stages(READ[kind]), built(READ[kind], setup, transcript)
    assert [stage.name for stage in planned] == [stage.name for stage in really]
    for plan, stage in zip(planned, really, strict=True):
        assert set(stage.needs) <= set(plan.needs)
        assert plan.name == "diarize" or plan == stage


@pytest.mark.parametrize("job", [*KINDS.values(), *READ.values()], ids=[*KINDS, *READ])
def test_every_plan_comes_to_its_end_and_only_hearing_needs_a_gpu(job: Job) -> None:
    plan = plan_stages(job, gpu=True)
    check_plan(plan)
    heard = job.platform_transcript is None
    assert [stage.name for stage in plan if stage.queue == "gpu"] == (["transcribe"] if heard else [])
