"""The captioned video: rendered by a worker from a real recording after the job's end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

from services.worker.run_stage import StageOutcome
from shared.domain.job_blobs import captioned_key, job_folder, media_folder
from shared.domain.job_record import JobStatus
from shared.domain.recording import Probe, VideoProbe
from shared.domain.stage_plan import CAPTION
from shared.domain.work import StageStatus
from shared.engines.catalog import Setup
from tests.fakes import ScriptedDecoder
from tests.fakes import tone as samples
from tests.media_files import Picture, tone, write_media
from tests.worker.test_run_stage import ForgetsToFinish
from tests.worker.worker_harness import TENANT, WorkerHarness, engines


@dataclass
class DecoderWithVideo(ScriptedDecoder):
    def decode(self, media: Path, into: Path, **more: Any) -> Probe:
        probe = super().decode(media, into, **more)
        return probe.model_copy(update={"video": VideoProbe(width=160, height=120, frames_per_second=10)})


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("media") / "a.mp4"
    write_media(path, tone(3.0), picture=Picture(3.0))
    return path.read_bytes()


@pytest.fixture
def harness(tmp_path: Path, setup: Setup) -> Iterator[WorkerHarness]:
    made = WorkerHarness.at(tmp_path, setup, {**engines(), "decoder": DecoderWithVideo(samples(3.0))})
    yield made
    made.database.close()


def video_of(harness: WorkerHarness, job_id: str) -> bytes:
    return b"".join(harness.blobs.read(TENANT, captioned_key(job_id)))


def is_empty(scratch: Path) -> bool:
    return list(scratch.iterdir()) == []


def test_a_requested_video_is_rendered_after_the_job_is_done(
    harness: WorkerHarness, media: bytes, tmp_path: Path
) -> None:
    job_id = harness.submit(media=media, captions=True)
    harness.until(CAPTION.name)
    done = harness.record(job_id)
    assert done.status is JobStatus.DONE and harness.stage(job_id, CAPTION.name).status is StageStatus.PENDING
    assert harness.run_all() == [CAPTION.name]
    row = harness.stage(job_id, CAPTION.name)
    assert (row.status, row.progress, row.attempts) == (StageStatus.DONE, 1, 1)
    assert row.seconds
    assert harness.record(job_id).finished_at == done.finished_at
    (tmp_path / "made.mp4").write_bytes(video_of(harness, job_id))
    with av.open(str(tmp_path / "made.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert (container.duration or 0) / 1e6 == pytest.approx(3.0, abs=0.3)
    assert is_empty(tmp_path / "scratch")


def test_a_video_requested_later_is_rendered(harness: WorkerHarness, media: bytes) -> None:
    job_id = harness.submit(media=media)
    harness.run_all()
    harness.jobs.caption(TENANT, job_id)
    assert harness.run_all() == [CAPTION.name]
    assert video_of(harness, job_id)


def test_an_existing_video_is_not_rendered_again(harness: WorkerHarness, media: bytes) -> None:
    """If a worker fails between upload and database update, the next one only updates the database."""
    job_id = harness.submit(media=media, captions=True)
    harness.until(CAPTION.name)
    worker = harness.changed(work=ForgetsToFinish(harness.runner.work))
    assert worker.run(job_id, CAPTION.name) is StageOutcome.REQUEUED
    harness.blobs.put(TENANT, captioned_key(job_id), [b"this very one"])
    harness.later(60)
    assert harness.runner.run(job_id, CAPTION.name) is StageOutcome.DONE
    assert video_of(harness, job_id) == b"this very one"


def test_without_video_the_stage_fails_and_the_job_does_not(tmp_path: Path, setup: Setup) -> None:
    harness = WorkerHarness.at(tmp_path, setup)
    job_id = harness.submit(captions=True)
    harness.run_all()
    assert harness.record(job_id).status is JobStatus.DONE
    assert harness.stage(job_id, CAPTION.name).status is StageStatus.FAILED
    assert harness.stage(job_id, CAPTION.name).attempts == 1


def test_an_invalid_recording_leaves_no_video(harness: WorkerHarness) -> None:
    job_id = harness.submit(media=b"no recording at all", captions=True)
    harness.run_all()
    assert (harness.record(job_id).status, harness.stage(job_id, CAPTION.name).status) == (
        JobStatus.DONE,
        StageStatus.FAILED,
    )
    assert [key.rpartition("/")[2] for key in harness.blobs.keys(TENANT, media_folder(job_id))] == ["recording"]


def test_a_video_of_a_job_erased_meanwhile_is_not_stored(harness: WorkerHarness, media: bytes) -> None:
    job_id = harness.submit(media=media, captions=True)
    harness.until(CAPTION.name)

    class SleepsThroughItsLease(ForgetsToFinish):
        def finish_stage(self, *args: Any, **more: Any) -> Any:
            harness.jobs.erase(TENANT, job_id, by="test", reason="requested")
            harness.later(600)
            harness.finish_erasures()
            harness.blobs.put(TENANT, captioned_key(job_id), [b"too late"])
            return self._work.finish_stage(*args, **more)

    worker = harness.changed(work=SleepsThroughItsLease(harness.runner.work))
    assert worker.run(job_id, CAPTION.name) is StageOutcome.STOPPED
    assert list(harness.blobs.keys(TENANT, job_folder(job_id))) == []
