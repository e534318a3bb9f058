"""How a stage of a job runs: results, retries, and a job that ends meanwhile."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.worker.run_stage import StageOutcome
from shared.domain.error import DatabaseUnavailable, DecodeFailed, EngineFailed, StorageFull, StorageUnavailable
from shared.domain.job_blobs import job_folder, transcript_key
from shared.domain.job_record import JobStatus
from shared.domain.search import SearchQuery
from shared.domain.speech import Transcription
from shared.domain.transcript import Transcript
from shared.domain.work import Claim, StageStatus, Ticket
from shared.engines.catalog import Setup
from shared.infra.database.metrics import SqlMetricsSource
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.database.work import SqlWorkStore
from tests.fakes import ScriptedTranscriber, word
from tests.worker.worker_harness import TENANT, WorkerHarness, engines


@dataclass
class Breaking(ScriptedTranscriber):
    """Raises the given errors one after the other, and then transcribes."""

    words: Sequence[Any] = (word("hello", 0.5, 1.0),)
    errors: list[BaseException] = field(default_factory=list)

    def transcribe(self, *args: Any, **more: Any) -> Transcription:
        if self.errors:
            raise self.errors.pop(0)
        return super().transcribe(*args, **more)


def breaking(tmp_path: Path, setup: Setup, *errors: BaseException) -> WorkerHarness:
    return WorkerHarness.at(tmp_path, setup, {**engines(), "asr": Breaking(errors=list(errors))})


def test_a_job_runs_stage_by_stage_until_its_transcript_is_stored(harness: WorkerHarness, tmp_path: Path) -> None:
    job_id = harness.submit()
    assert sorted(harness.run_all()) == sorted(stage.name for stage in harness.record(job_id).stages)
    record = harness.record(job_id)
    assert record.status is JobStatus.DONE
    made = Transcript.model_validate_json(b"".join(harness.blobs.read(TENANT, transcript_key(job_id))))
    assert [utterance.text for utterance in made.utterances] == ["hello there"]
    assert made.job_id == job_id
    assert SqlMetricsSource(harness.database).read().recording_seconds == made.recording.duration == 3.0
    assert [one.stage for one in made.provenance] == [stage.name for stage in record.stages[:-1]]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_transcript_alone_runs_through_the_stages_of_text(harness: WorkerHarness) -> None:
    job_id = harness.submit(media=b"", transcript=b"Ana: hello there\nBen: good bye\n")
    assert harness.run_all() == ["transcribe", "diarize", "compose", "read_emotions", "publish"]
    assert harness.record(job_id).status is JobStatus.DONE
    made = Transcript.model_validate_json(b"".join(harness.blobs.read(TENANT, transcript_key(job_id))))
    assert [(speaker.name, speaker.utterances) for speaker in made.speakers] == [("Ana", 1), ("Ben", 1)]
    assert [utterance.text for utterance in made.utterances] == ["hello there", "good bye"]


def test_a_transcript_is_indexed_before_its_job_is_done(harness: WorkerHarness) -> None:
    indexed: list[tuple[str, str, JobStatus]] = []

    def index(tenant: str, transcript: Transcript) -> None:
        indexed.append((tenant, transcript.job_id, harness.record(job_id).status))

    job_id = harness.submit()
    harness.until("publish")
    assert harness.changed(index_transcript=index).run(job_id, "publish") is StageOutcome.DONE
    assert indexed == [(TENANT, job_id, JobStatus.RUNNING)]


def test_a_message_delivered_twice_runs_once(harness: WorkerHarness) -> None:
    job_id = harness.submit()
    harness.until("nothing")
    harness.run_all()
    assert harness.runner.run(job_id, "decode") is StageOutcome.REFUSED
    assert harness.runner.run("no such job", "decode") is StageOutcome.REFUSED


def test_an_existing_output_is_not_computed_again(tmp_path: Path, setup: Setup) -> None:
    """If a worker fails between upload and database update, the next one only updates the database."""
    slots = engines()
    harness = WorkerHarness.at(tmp_path, setup, slots)
    job_id = harness.submit()
    harness.until("transcribe")
    worker = harness.changed(work=ForgetsToFinish(harness.runner.work))
    assert worker.run(job_id, "transcribe") is StageOutcome.REQUEUED
    harness.later(60)
    assert harness.runner.run(job_id, "transcribe") is StageOutcome.DONE
    assert len(slots["asr"].languages) == 1


class ForgetsToFinish:
    """A work store whose connection fails when a stage is finished."""

    def __init__(self, work: Any) -> None:
        self._work = work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)

    def finish_stage(self, *_: Any, **__: Any) -> None:
        raise ConnectionError


def test_an_invalid_recording_fails_without_retry(tmp_path: Path, setup: Setup) -> None:
    harness = breaking(tmp_path, setup, DecodeFailed("The decoder gave up."))
    job_id = harness.submit()
    harness.run_all()
    record = harness.record(job_id)
    assert record.status is JobStatus.FAILED and record.error is not None
    assert (record.error.code, record.error.stage) == ("decode_failed", "transcribe")


@pytest.mark.parametrize(
    ("error", "code"), [(EngineFailed("It failed."), "engine_failed"), (KeyError("a word"), "internal_error")]
)
def test_a_retryable_error_is_tried_three_times(error: Exception, code: str, tmp_path: Path, setup: Setup) -> None:
    harness = breaking(tmp_path, setup, error, error, error)
    job_id = harness.submit()
    harness.until("transcribe")
    assert harness.runner.run(job_id, "transcribe") is StageOutcome.REQUEUED
    assert harness.runner.run(job_id, "transcribe") is StageOutcome.REFUSED, "not before the delay"
    harness.later(60)
    assert harness.runner.run(job_id, "transcribe") is StageOutcome.REQUEUED
    harness.later(60)
    assert harness.runner.run(job_id, "transcribe") is StageOutcome.FAILED
    record = harness.record(job_id)
    assert record.error is not None
    assert record.error.code == code
    assert "word" not in record.error.message


@pytest.mark.parametrize(
    "error",
    [
        StorageFull("full"),
        StorageUnavailable("unavailable"),
        DatabaseUnavailable("unavailable"),
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EDQUOT, "full"),
    ],
)
def test_a_full_disk_or_unavailable_storage_is_not_counted_as_an_attempt(
    error: Exception, tmp_path: Path, setup: Setup
) -> None:
    harness = breaking(tmp_path, setup, *[error] * 5)
    job_id = harness.submit()
    harness.until("transcribe")
    for _ in range(5):
        assert harness.runner.run(job_id, "transcribe") is StageOutcome.REQUEUED
        assert harness.stage(job_id, "transcribe").attempts == 0
        harness.later(61)
    harness.run_all()
    assert harness.record(job_id).status is JobStatus.DONE


def test_a_worker_waits_for_the_database_to_record_how_its_stage_ended(tmp_path: Path, setup: Setup) -> None:
    """Otherwise its lease would expire, and three outages would count as three crashes."""

    class Failing(SqlWorkStore):
        outages = 2

        def finish_stage(self, claim: Claim, *, seconds: float) -> tuple[Ticket, ...]:
            raise DatabaseUnavailable("unavailable")

        def requeue(self, claim: Claim, *, delay: timedelta, counted: bool = True) -> None:
            if self.outages:
                self.outages -= 1
                raise DatabaseUnavailable("unavailable")
            super().requeue(claim, delay=delay, counted=counted)

    harness = WorkerHarness.at(tmp_path, setup)
    job_id = harness.submit()
    store = Failing(harness.database)
    assert harness.changed(work=store).run(job_id, "decode") is StageOutcome.REQUEUED
    assert (store.outages, harness.stage(job_id, "decode").attempts) == (0, 0)
    harness.run_all()
    assert harness.record(job_id).status is JobStatus.DONE


def test_data_of_a_job_erased_during_a_stage_does_not_reappear(tmp_path: Path, setup: Setup) -> None:
    """Even if the worker misses the end of its lease while storage is swept and the erasure confirmed."""
    harness = WorkerHarness.at(tmp_path, setup)
    job_id = harness.submit()
    harness.until("publish")

    class SleepsThroughItsLease(ForgetsToFinish):
        def publish(self, *args: Any, **more: Any) -> Any:
            harness.jobs.erase(TENANT, job_id, by="test", reason="requested")
            harness.later(600)
            harness.finish_erasures()
            harness.blobs.put(TENANT, transcript_key(job_id), [b"too late"])
            return self._work.publish(*args, **more)

    assert (
        harness.changed(work=SleepsThroughItsLease(harness.runner.work)).run(job_id, "publish") is StageOutcome.STOPPED
    )
    assert list(harness.blobs.keys(TENANT, job_folder(job_id))) == []
    erasure = harness.jobs.erasure_record(TENANT, job_id)
    assert erasure is not None and erasure.erased_at is not None


def test_an_unavailable_queue_does_not_affect_finished_stages(harness: WorkerHarness) -> None:
    def unavailable() -> None:
        raise ConnectionError

    job_id = harness.submit()
    assert harness.changed(send_pending=unavailable).run(job_id, "decode") is StageOutcome.DONE
    assert harness.stage(job_id, "decode").status is StageStatus.DONE


def test_a_transcript_can_be_searched_when_its_job_is_done(harness: WorkerHarness) -> None:
    job_id = harness.submit()
    harness.until("publish")
    index = SqlTranscriptIndex(harness.database)
    query = SearchQuery.parse("hello", emotion=None, speaker=None, job=None)
    assert index.search(TENANT, query).items == ()
    harness.run_all()
    assert [found.job_id for found in index.search(TENANT, query).items] == [job_id]
