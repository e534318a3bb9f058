"""The service with a real Redis, real workers and a real database, any of which may be killed at any time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.domain.job import JobOptions
from shared.domain.job_blobs import artifacts_folder, captioned_key, job_folder, transcript_key
from shared.domain.job_record import JobStatus
from shared.domain.stage_plan import CAPTION, plan_stages
from shared.domain.work import StageRow, StageStatus
from tests.running_service import ENGINES, ROOT, TENANT, Service, cut, serving, spread

pytestmark = pytest.mark.slow

LONG = ("decode", "transcribe", "track_faces")  # long enough to be killed reliably


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("short") / "standup.mp4", seconds=4.0)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path) as running:
        yield running


def stage_of(service: Service, job_id: str, name: str) -> StageRow:
    return next(stage for stage in service.record(job_id).stages if stage.name == name)


def running(service: Service, job_id: str, name: str) -> bool:
    return stage_of(service, job_id, name).status is StageStatus.RUNNING


def kill_child(row: StageRow) -> None:
    """Kill the process that runs the stage, as the kernel does when memory is exhausted."""
    assert row.worker is not None
    os.kill(int(row.worker.split(":")[1]), signal.SIGKILL)


def nothing_left_in_scratch(service: Service) -> bool:
    return not list(service.scratch.iterdir())


def erased_now(service: Service, job_id: str) -> bool:
    erasure = service.jobs.erasure_record(TENANT, job_id)
    return erasure is not None and erasure.erased_at is not None


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    made = [{**one, "seconds": 0} for one in document["provenance"]]
    return {**document, "job_id": "", "provenance": made}


def test_a_job_through_the_queue_equals_the_command_line_result(
    service: Service, recording: Path, tmp_path: Path
) -> None:
    job_id = service.submit(recording)
    engines = [word for slot, name in ENGINES.items() for word in ("--engine", f"{slot}={name}")]
    command = [sys.executable, "-m", "services.cli", "annotate", str(recording), "--format", "json", "-o", "-", "-q"]
    said = subprocess.run([*command, *engines], cwd=ROOT, capture_output=True, check=True, timeout=120)
    record = service.wait_ended(job_id)
    assert record.status is JobStatus.DONE, service.logs()
    assert set(service.attempts(job_id).values()) == {1}
    assert record.progress == 1.0
    ours = json.loads(service.transcript(job_id).model_dump_json())
    assert without_times(ours) == without_times(json.loads(said.stdout))
    service.wait_for("an empty scratch", lambda: nothing_left_in_scratch(service), 10)
    log = service.logs()
    assert recording.name not in log
    words = {word.text for utterance in service.transcript(job_id).utterances for word in utterance.words}
    assert not [word for word in words if len(word) > 4 and f" {word} " in log], "no word of a recording in a log"


def test_a_job_completes_although_its_worker_is_killed_in_every_stage(service: Service, recording: Path) -> None:
    job_id = service.submit(recording)
    kills: dict[str, int] = {}
    for number, planned in enumerate(plan_stages(service.record(job_id).job)):
        name = planned.name
        service.wait_for(name, lambda name=name: stage_of(service, job_id, name).attempts > 0)
        row = stage_of(service, job_id, name)
        if row.status is not StageStatus.RUNNING:
            continue  # the stage ended before the kill
        if number % 2:
            kill_child(row)
        else:
            service.kill("worker-0")
            service.start_worker("worker-0")
        after = stage_of(service, job_id, name)
        kills[name] = int(after.status is StageStatus.RUNNING)
    record = service.wait_ended(job_id)
    assert record.status is JobStatus.DONE, service.logs()
    assert all(kills[name] for name in LONG)
    for name, count in service.attempts(job_id).items():
        assert count <= 1 + kills.get(name, 0), (name, kills)
    assert service.transcript(job_id).utterances
    # The files of a killed process are deleted when its successor starts.
    service.kill("worker-0")
    service.start_worker("worker-0")
    service.wait_for("an empty scratch", lambda: nothing_left_in_scratch(service), 30)


def test_a_killed_transcription_of_a_long_recording_resumes_after_its_finished_parts(
    service: Service, tmp_path: Path
) -> None:
    long = spread(tmp_path / "long.wav", starts=(5, 620, 640, 660, 1000), length=1010)
    job_id = service.submit(long)

    def parts() -> dict[str, float]:
        """The complete parts with their modification times."""
        folder = service.folder / "blobs" / TENANT / artifacts_folder(job_id) / "transcribe"
        return {path.parent.name: path.stat().st_mtime for path in folder.glob("*.parts/*/manifest.json")}

    service.wait_for("the first part", lambda: len(parts()) == 1)
    kill_child(stage_of(service, job_id, "transcribe"))
    first = parts()
    assert len(first) == 1, "killed too late to observe the resumption"
    assert service.wait_ended(job_id).status is JobStatus.DONE, service.logs()
    assert service.attempts(job_id)["transcribe"] == 2
    assert len(parts()) == 2
    assert first.items() <= parts().items(), "the finished part is not computed again"
    starts = [word.start for utterance in service.transcript(job_id).utterances for word in utterance.words]
    assert any(start < 15 for start in starts) and any(start > 600 for start in starts)


def test_a_recording_that_always_kills_its_worker_fails_as_poisonous(service: Service, recording: Path) -> None:
    job_id = service.submit(recording)
    for attempt in (1, 2, 3):
        service.wait_for(
            f"attempt {attempt}",
            lambda attempt=attempt: (
                running(service, job_id, "transcribe") and stage_of(service, job_id, "transcribe").attempts == attempt
            ),
        )
        kill_child(stage_of(service, job_id, "transcribe"))
    record = service.wait_ended(job_id)
    assert record.status is JobStatus.FAILED
    assert record.error is not None and (record.error.code, record.error.stage) == ("poisoned", "transcribe")
    assert service.attempts(job_id)["transcribe"] == 3


def test_a_video_is_rendered_after_its_worker_was_killed_unless_the_job_is_erased(
    service: Service, recording: Path
) -> None:
    job_id = service.submit(recording, JobOptions(engines=ENGINES, modalities=(), captions=True))
    service.wait_for("the video", lambda: running(service, job_id, CAPTION.name))
    assert service.record(job_id).status is JobStatus.DONE
    kill_child(stage_of(service, job_id, CAPTION.name))
    service.wait_for("the video", lambda: stage_of(service, job_id, CAPTION.name).status is StageStatus.DONE)
    assert stage_of(service, job_id, CAPTION.name).attempts == 2
    assert service.blobs.size(TENANT, captioned_key(job_id))

    erased = service.submit(recording, JobOptions(engines=ENGINES, modalities=(), captions=True))
    service.wait_for("the video", lambda: running(service, erased, CAPTION.name))
    service.jobs.erase(TENANT, erased, by="test", reason="requested")
    service.wait_for("an empty scratch", lambda: nothing_left_in_scratch(service), 5)
    service.wait_for("the erasure", lambda: erased_now(service, erased), 30)
    assert list(service.blobs.keys(TENANT, job_folder(erased))) == []


def test_a_killed_and_restarted_redis_loses_no_job(service: Service, recording: Path) -> None:
    jobs = [service.submit(recording), service.submit(recording)]
    service.wait_for("transcribe", lambda: running(service, jobs[0], "transcribe"))
    service.kill("redis")
    time.sleep(1)
    service.start_redis()
    for job_id in jobs:
        assert service.wait_ended(job_id).status is JobStatus.DONE, service.logs()
        # The running stage was cancelled, because its message is redelivered; this counts as no attempt.
        assert set(service.attempts(job_id).values()) == {1}


def test_a_worker_that_is_stopped_requeues_its_stage_uncounted(service: Service, recording: Path) -> None:
    job_id = service.submit(recording)
    service.wait_for("transcribe", lambda: running(service, job_id, "transcribe"))
    began = time.monotonic()
    service.end("worker-0")
    assert time.monotonic() - began < 15
    row = stage_of(service, job_id, "transcribe")
    assert (row.status, row.attempts) == (StageStatus.PENDING, 0)
    assert nothing_left_in_scratch(service)
    service.start_worker("worker-0")
    assert service.wait_ended(job_id).status is JobStatus.DONE
    assert set(service.attempts(job_id).values()) == {1}


def test_a_cancelled_job_stops_within_seconds_and_an_erased_one_leaves_no_data(
    service: Service, recording: Path
) -> None:
    cancelled = service.submit(recording)
    service.wait_for("transcribe", lambda: running(service, cancelled, "transcribe"))
    service.jobs.cancel(TENANT, cancelled)
    service.wait_for("an empty scratch", lambda: nothing_left_in_scratch(service), 5)
    assert service.record(cancelled).status is JobStatus.CANCELLED
    assert service.blobs.size(TENANT, transcript_key(cancelled)) is None

    erased = service.submit(recording)
    service.wait_for("transcribe", lambda: running(service, erased, "transcribe"))
    service.jobs.erase(TENANT, erased, by="test", reason="requested")
    service.wait_for("the erasure", lambda: erased_now(service, erased), 30)
    service.wait_for("an empty scratch", lambda: nothing_left_in_scratch(service), 5)
    assert list(service.blobs.keys(TENANT, job_folder(erased))) == []
