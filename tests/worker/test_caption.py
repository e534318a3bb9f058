"""The captioned video as a worker makes it: from the real recording, after the job's end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

from services.worker.run_stage import Ended
from shared.domain.job_blobs import captioned_key, job_folder, media_folder
from shared.domain.job_record import JobStatus
from shared.domain.recording import Probe, VideoProbe
from shared.domain.work import CAPTION, StageState
from shared.engines.catalog import Setup
from tests.media_files import Picture, tone, write_media
from tests.twins import ScriptedDecoder
from tests.twins import tone as samples
from tests.worker.test_run_stage import ForgetsToFinish
from tests.worker.workshop import TENANT, Workshop, engines


@dataclass
class SeesAPicture(ScriptedDecoder):
    def decode(self, media: Path, into: Path, **more: Any) -> Probe:
        found = super().decode(media, into, **more)
        return found.model_copy(update={"video": VideoProbe(width=160, height=120, frames_per_second=10)})


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("media") / "a.mp4"
    write_media(path, tone(3.0), picture=Picture(3.0))
    return path.read_bytes()


@pytest.fixture
def shop(tmp_path: Path, setup: Setup) -> Iterator[Workshop]:
    made = Workshop.at(tmp_path, setup, {**engines(), "decoder": SeesAPicture(samples(3.0))})
    yield made
    made.database.close()


def video_of(shop: Workshop, job_id: str) -> bytes:
    return b"".join(shop.blobs.read(TENANT, captioned_key(job_id)))


def nothing_in(scratch: Path) -> bool:
    return list(scratch.iterdir()) == []


def test_a_wished_video_is_made_after_the_job_is_done(shop: Workshop, media: bytes, tmp_path: Path) -> None:
    job_id = shop.submit(media=media, captions=True)
    shop.until(CAPTION)
    done = shop.record(job_id)
    assert done.status is JobStatus.DONE and shop.stage(job_id, CAPTION).state is StageState.PENDING
    assert shop.run_out() == [CAPTION]
    row = shop.stage(job_id, CAPTION)
    assert (row.state, row.progress, row.attempts) == (StageState.DONE, 1, 1)
    assert row.seconds
    assert shop.record(job_id).finished_at == done.finished_at
    (tmp_path / "made.mp4").write_bytes(video_of(shop, job_id))
    with av.open(str(tmp_path / "made.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert (container.duration or 0) / 1e6 == pytest.approx(3.0, abs=0.3)
    assert nothing_in(tmp_path / "scratch")


def test_one_that_is_asked_for_later_is_made_too(shop: Workshop, media: bytes) -> None:
    job_id = shop.submit(media=media)
    shop.run_out()
    shop.jobs.caption(TENANT, job_id)
    assert shop.run_out() == [CAPTION]
    assert video_of(shop, job_id)


def test_what_lies_there_already_is_not_made_again(shop: Workshop, media: bytes) -> None:
    """A worker that broke between its upload and the row: the next one only finishes."""
    job_id = shop.submit(media=media, captions=True)
    shop.until(CAPTION)
    worker = shop.changed(work=ForgetsToFinish(shop.runner.work))
    assert worker.run(job_id, CAPTION) is Ended.GIVEN_BACK
    shop.blobs.put(TENANT, captioned_key(job_id), [b"this very one"])
    shop.later(60)
    assert shop.runner.run(job_id, CAPTION) is Ended.DONE
    assert video_of(shop, job_id) == b"this very one"


def test_without_a_picture_the_stage_fails_and_the_job_does_not(tmp_path: Path, setup: Setup) -> None:
    shop = Workshop.at(tmp_path, setup)
    job_id = shop.submit(captions=True)
    shop.run_out()
    assert shop.record(job_id).status is JobStatus.DONE
    assert shop.stage(job_id, CAPTION).state is StageState.FAILED
    assert shop.stage(job_id, CAPTION).attempts == 1


def test_a_recording_at_fault_leaves_no_video(shop: Workshop) -> None:
    job_id = shop.submit(media=b"no recording at all", captions=True)
    shop.run_out()
    assert (shop.record(job_id).status, shop.stage(job_id, CAPTION).state) == (JobStatus.DONE, StageState.FAILED)
    assert [key.rpartition("/")[2] for key in shop.blobs.keys(TENANT, media_folder(job_id))] == ["recording"]


def test_what_is_erased_while_it_is_made_does_not_come_back(shop: Workshop, media: bytes) -> None:
    job_id = shop.submit(media=media, captions=True)
    shop.until(CAPTION)

    class SleepsThroughItsLease(ForgetsToFinish):
        def finish_stage(self, *args: Any, **more: Any) -> Any:
            shop.jobs.erase(TENANT, job_id, by="test", reason="asked for")
            shop.later(600)
            shop.dispatcher.erase()
            shop.blobs.put(TENANT, captioned_key(job_id), [b"too late"])
            return self._work.finish_stage(*args, **more)

    assert shop.changed(work=SleepsThroughItsLease(shop.runner.work)).run(job_id, CAPTION) is Ended.STOPPED
    assert list(shop.blobs.keys(TENANT, job_folder(job_id))) == []
