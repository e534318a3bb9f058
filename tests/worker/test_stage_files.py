"""What a stage downloads, and what happens when it is missing or changed."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.worker.run_stage import StageOutcome
from shared.domain.job_blobs import artifacts_folder, media_folder, recording_key, transcript_key
from shared.domain.job_record import JobStatus
from shared.domain.recording import Probe, TrackProbe
from shared.domain.transcript import Transcript
from shared.domain.work import StageStatus
from shared.engines.catalog import Setup
from shared.infra.blobs_folder import FolderBlobs
from shared.ports.media import TrackFile
from tests.fakes import ScriptedDecoder, tone
from tests.worker.worker_harness import MEDIA, TENANT, WorkerHarness, engines


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

    def decode(self, media: Path, into: Path, *, tracks: Sequence[TrackFile], **more: Any) -> Probe:
        self.opened += [media.read_bytes(), *(track.path.read_bytes() for track in tracks)]
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
