"""Stages that run for long: resumption, time limits, cancellation and progress."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.worker.run_stage import StageOutcome
from services.worker.stage_timeout import MARGIN
from shared.domain.error import EngineFailed
from shared.domain.job_blobs import artifacts_folder, transcript_key
from shared.domain.span import Span, span
from shared.domain.speech import Transcription
from shared.domain.transcript import Transcript
from shared.domain.work import StageStatus
from shared.engines.catalog import Setup
from shared.ports.media import Progress
from tests.fakes import ScriptedDecoder, ScriptedDetector, ScriptedTranscriber, probe, silent, word
from tests.worker.worker_harness import TENANT, WorkerHarness, engines

LONG = tuple(span(start, start + 50) for start in range(0, 2000, 60))


class LongSpeech(ScriptedDetector):
    """Reports all spans whatever the samples: two thousand seconds of silence would only cost time."""

    def detect(self, *_: Any) -> Sequence[Span]:
        return self.spans


def long_slots(asr: ScriptedTranscriber) -> dict[str, Any]:
    decoder = ScriptedDecoder(silent(3.0), found=probe(2100))
    return {**engines(), "decoder": decoder, "vad": LongSpeech(LONG), "asr": asr}


def test_a_long_stage_resumes_after_its_finished_parts(tmp_path: Path, setup: Setup) -> None:
    """Of four parts the third fails; the next attempt transcribes only the third and fourth."""

    @dataclass
    class FailsInThirdPart(ScriptedTranscriber):
        calls: int = 0

        def transcribe(self, *args: Any, **more: Any) -> Transcription:
            self.calls += 1
            if self.calls == 3:
                raise EngineFailed("It failed.")
            return super().transcribe(*args, **more)

    asr = FailsInThirdPart([word(f"w{stretch.start:.0f}", stretch.start + 1, stretch.start + 2) for stretch in LONG])
    harness = WorkerHarness.at(tmp_path, setup, long_slots(asr))
    job_id = harness.submit()
    harness.until("transcribe")
    assert harness.runner.run(job_id, "transcribe") is StageOutcome.REQUEUED
    harness.later(60)
    assert harness.runner.run(job_id, "transcribe") is StageOutcome.DONE
    assert asr.calls == 5
    harness.run_all()
    made = Transcript.model_validate_json(b"".join(harness.blobs.read(TENANT, transcript_key(job_id))))
    assert [w.text for u in made.utterances for w in u.words] == [word.text for word in asr.words]


@dataclass
class Sleeping(ScriptedTranscriber):
    """Runs for a long time, with or without progress."""

    words: Sequence[Any] = ()
    then: Any = None
    quick: int = 0

    def transcribe(self, *args: Any, progress: Progress, **more: Any) -> Transcription:
        if self.quick:
            self.quick -= 1
            return super().transcribe(*args, progress=progress, **more)
        progress(0.5)
        if self.then:
            self.then()
        time.sleep(20)
        raise AssertionError("the stage was not cancelled")


def test_a_stage_over_its_time_limit_is_cancelled_and_counted(tmp_path: Path, setup: Setup) -> None:
    harness = WorkerHarness.at(tmp_path, setup, {**engines(), "asr": Sleeping()}, max_seconds=1)
    job_id = harness.submit()
    harness.until("transcribe")
    for ended in (StageOutcome.REQUEUED, StageOutcome.REQUEUED, StageOutcome.FAILED):
        assert harness.runner.run(job_id, "transcribe") is ended
        harness.later(60)
    error = harness.record(job_id).error
    assert error is not None and error.code == "timed_out"


def test_a_stage_that_finished_a_part_within_its_limit_is_not_counted(tmp_path: Path, setup: Setup) -> None:
    asr = Sleeping(quick=1)
    harness = WorkerHarness.at(tmp_path, setup, long_slots(asr))
    job_id = harness.submit()
    harness.until("transcribe")
    assert harness.changed(max_seconds=MARGIN + 3).run(job_id, "transcribe") is StageOutcome.REQUEUED
    row = harness.stage(job_id, "transcribe")
    assert (row.status, row.attempts) == (StageStatus.PENDING, 0)


def test_a_cancelled_stage_stops_immediately_and_writes_nothing(tmp_path: Path, setup: Setup) -> None:
    asr = Sleeping()
    harness = WorkerHarness.at(tmp_path, setup, {**engines(), "asr": asr})
    job_id = harness.submit()
    asr.then = lambda: harness.jobs.cancel(TENANT, job_id)
    harness.until("transcribe")
    before = set(harness.blobs.keys(TENANT, artifacts_folder(job_id)))
    began = time.monotonic()
    assert harness.runner.run(job_id, "transcribe") is StageOutcome.STOPPED
    assert time.monotonic() - began < 5
    assert set(harness.blobs.keys(TENANT, artifacts_folder(job_id))) == before
    assert list((tmp_path / "scratch").iterdir()) == []


def test_progress_is_written_while_the_stage_runs(tmp_path: Path, setup: Setup) -> None:
    asr = Sleeping()
    harness = WorkerHarness.at(tmp_path, setup, {**engines(), "asr": asr})
    job_id = harness.submit()
    seen: list[float] = []

    def watch() -> None:
        deadline = time.monotonic() + 5
        while not seen or (seen[-1] == 0 and time.monotonic() < deadline):
            seen.append(harness.stage(job_id, "transcribe").progress)
            time.sleep(0.05)
        harness.jobs.cancel(TENANT, job_id)

    asr.then = watch
    harness.until("transcribe")
    harness.runner.run(job_id, "transcribe")
    assert seen[-1] == 0.5
