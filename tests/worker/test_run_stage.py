from __future__ import annotations

import errno
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.worker.run_stage import StageOutcome
from shared.domain.error import DecodeFailed, EngineFailed, StorageFull, StorageUnavailable
from shared.domain.job_blobs import artifacts_folder, job_folder, media_folder, recording_key, transcript_key
from shared.domain.job_record import JobStatus
from shared.domain.recording import Probe, TrackProbe
from shared.domain.search import SearchQuery
from shared.domain.span import span
from shared.domain.speech import Transcription
from shared.domain.transcript import Transcript
from shared.domain.work import StageStatus
from shared.engines.catalog import Setup
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.metrics import SqlMetricsSource
from shared.infra.database.search import SqlTranscriptIndex
from shared.ports.media import Progress
from tests.fakes import ScriptedDecoder, ScriptedDetector, ScriptedTranscriber, silent, tone, word
from tests.worker.worker_harness import MEDIA, TENANT, WorkerHarness, engines


@pytest.fixture
def harness(tmp_path: Path, setup: Setup) -> Iterator[WorkerHarness]:
    made = WorkerHarness.at(tmp_path, setup)
    yield made
    made.database.close()


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


LONG = tuple(span(start, start + 50) for start in range(0, 2000, 60))


def long_slots(asr: ScriptedTranscriber) -> dict[str, Any]:
    decoder, vad = ScriptedDecoder(silent(2100)), ScriptedDetector(LONG)
    return {**engines(), "decoder": decoder, "vad": vad, "asr": asr}


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

    asr = FailsInThirdPart([word(f"w{one.start:.0f}", one.start + 1, one.start + 2) for one in LONG])
    harness = WorkerHarness.at(tmp_path, setup, long_slots(asr))
    job_id = harness.submit()
    harness.until("transcribe")
    assert harness.runner.run(job_id, "transcribe") is StageOutcome.REQUEUED
    harness.later(60)
    assert harness.runner.run(job_id, "transcribe") is StageOutcome.DONE
    assert asr.calls == 5
    harness.run_all()
    made = Transcript.model_validate_json(b"".join(harness.blobs.read(TENANT, transcript_key(job_id))))
    assert [w.text for u in made.utterances for w in u.words] == [one.text for one in asr.words]


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
    assert harness.changed(max_seconds=1).run(job_id, "transcribe") is StageOutcome.REQUEUED
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


@pytest.mark.parametrize("lost", ["transcribe", "transcribe/current.json", "all of it", "one file"])
def test_a_missing_output_is_computed_again_by_its_stage(harness: WorkerHarness, tmp_path: Path, lost: str) -> None:
    job_id = harness.submit()
    harness.until("compose")
    folder = tmp_path / "blobs" / TENANT / artifacts_folder(job_id)
    match lost:
        case "all of it":
            shutil.rmtree(folder)
        case "one file":
            next(path for path in folder.glob("transcribe/*/*.json") if path.name != "manifest.json").unlink()
        case "transcribe":
            shutil.rmtree(folder / lost)
        case _:
            (folder / lost).unlink()
    assert harness.runner.run(job_id, "compose") is StageOutcome.REQUEUED
    assert harness.stage(job_id, "compose").status is StageStatus.WAITING
    ran = harness.run_all()
    record = harness.record(job_id)
    assert record.status is JobStatus.DONE, record.error
    assert "transcribe" in ran
    assert harness.stage(job_id, "transcribe").attempts == 2
    assert harness.stage(job_id, "compose").attempts == 1, "a missing input of another stage counts no attempt"
    made = Transcript.model_validate_json(b"".join(harness.blobs.read(TENANT, transcript_key(job_id))))
    assert [one.text for one in made.utterances] == ["hello there"]


def test_repeatedly_missing_outputs_fail_the_job(harness: WorkerHarness) -> None:
    job_id = harness.submit()
    runs: Counter[str] = Counter()
    harness.tickets.send_pending()
    while (ticket := harness.next_ticket()) is not None:
        if ticket.stage == "compose":
            harness.blobs.delete_prefix(TENANT, f"{artifacts_folder(job_id)}/transcribe")
        harness.runner.run(job_id, ticket.stage)
        harness.later(60)
        harness.tickets.send_pending()
        runs[ticket.stage] += 1
    error = harness.record(job_id).error
    assert error is not None and (error.code, error.stage) == ("stored_data_missing", "compose")
    assert runs["transcribe"] == 3, "the maximum number of attempts"


def test_tracks_and_a_platform_transcript_are_downloaded_for_their_stages(tmp_path: Path, setup: Setup) -> None:
    said = b"WEBVTT\n\n00:00.500 --> 00:01.500\nAna: good morning\n\n00:01.600 --> 00:02.500\nBen: good bye\n"
    slots = {**engines(), "decoder": DecodesTracks(tone(3.0))}
    harness = WorkerHarness.at(tmp_path, setup, slots)
    job_id = harness.submit(track=b"ana alone", transcript=said)
    harness.run_all()
    record = harness.record(job_id)
    assert record.status is JobStatus.DONE, record.error
    made = Transcript.model_validate_json(b"".join(harness.blobs.read(TENANT, transcript_key(job_id))))
    assert [(made.names[one.speaker], one.text) for one in made.utterances] == [
        ("Ana", "good morning"), ("Ben", "good bye"),
    ]  # fmt: skip
    assert slots["decoder"].opened == [MEDIA, b"ana alone"]


def test_a_stage_downloads_only_what_its_row_opens(tmp_path: Path, setup: Setup) -> None:
    transcript = b"WEBVTT\n\n00:00.500 --> 00:01.500\ngood morning\n"
    harness, reads = WorkerHarness.at(tmp_path, setup), RecordsReads(tmp_path / "blobs")
    job_id, worker = harness.submit(transcript=transcript), harness.changed(blobs=reads)
    opened: dict[str, set[str]] = {}
    harness.tickets.send_pending()
    while (ticket := harness.next_ticket()) is not None:
        reads.names.clear()
        assert worker.run(job_id, ticket.stage) is StageOutcome.DONE
        opened[ticket.stage] = reads.names & {"recording", "platform-transcript", "mix.f32", "crops.npy"}
    expected = {
        "decode": {"recording"},
        "detect_speech": {"mix.f32"},
        "transcribe": {"platform-transcript"},
        "diarize": {"platform-transcript", "mix.f32"},
        "track_faces": set(),
        "compose": set(),
        "read_emotions": {"mix.f32", "crops.npy"},
        "publish": set(),
    }
    assert {stage: opened[stage] for stage in expected} == expected


class RecordsReads(FolderBlobs):
    """Records the last part of the keys that are read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.names: set[str] = set()

    def read(self, tenant: str, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        self.names.add(key.rsplit("/", 1)[-1])
        return super().read(tenant, key, start=start, end=end)


@dataclass
class DecodesTracks(ScriptedDecoder):
    """Records the content of the files that it gets."""

    opened: list[bytes] = field(default_factory=list)

    def decode(self, media: Path, into: Path, *, tracks: Sequence[tuple[str, Path]], **more: Any) -> Probe:
        self.opened += [media.read_bytes(), *(path.read_bytes() for _, path in tracks)]
        (into / "track-0.f32").write_bytes(self.samples.astype("<f4").tobytes())
        found = super().decode(media, into, tracks=tracks, **more)
        return found.model_copy(update={"tracks": (TrackProbe(name="Ana", seconds=3.0),)})


def test_a_missing_or_changed_recording_is_not_decoded(harness: WorkerHarness) -> None:
    job_id = harness.submit()
    harness.blobs.put(TENANT, recording_key(job_id), [b"another one"])
    assert harness.runner.run(job_id, "decode") is StageOutcome.REQUEUED
    harness.blobs.delete_prefix(TENANT, media_folder(job_id))
    harness.later(60)
    assert harness.runner.run(job_id, "decode") is StageOutcome.REQUEUED


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
