"""Tests of job intake: interrupted uploads leave no files, and submitted jobs keep theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from services.gateway.callbacks import CallbackEndpoints
from services.gateway.job_intake import ABANDONED_AFTER, JobIntake
from services.gateway.job_options import grant_options
from shared.domain.emotion import Modality
from shared.domain.error import DatabaseUnavailable, InvalidRequest, ModalityNotAllowed, NotFound
from shared.domain.job_record import JobRecord
from shared.domain.job_request import JobRequest
from shared.domain.tenant import Scope
from shared.infra.address_rule import OutboundSettings
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.engine import Database, open_database
from shared.infra.database.incoming_uploads import SqlIncomingUploadStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.webhooks import SqlEndpointStore
from shared.infra.outbound import Outbound
from shared.infra.secret_encryption import SecretCipher, new_key
from shared.infra.settings import GovernanceSettings
from shared.infra.web.authenticator import Caller
from tests.service_fakes import MovableClock

MP4 = b"\0\0\0\x18ftypmp42" + bytes(100)
OURS = Caller(tenant="ours", key_id="k", scopes=frozenset(Scope))


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(tmp_path: Path, clock: MovableClock) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'u.db'}", clock=clock)
    SqlKeyStore(opened).ensure_tenant("ours")
    yield opened
    opened.close()


@pytest.fixture
def intake(database: Database, tmp_path: Path, clock: MovableClock) -> JobIntake:
    endpoints = SqlEndpointStore(database)
    outbound = Outbound(OutboundSettings(), loopback=True)
    return JobIntake(
        jobs=SqlJobStore(database),
        blobs=FolderBlobs(tmp_path / "blobs"),
        incoming_uploads=SqlIncomingUploadStore(database),
        audit=SqlAuditLog(database),
        callbacks=CallbackEndpoints(endpoints, outbound, SecretCipher([new_key()]), clock),
        governance=GovernanceSettings(),
        clock=clock,
        max_bytes=10_000,
        reserved_bytes=lambda _tenant: 0,
    )


def stored_keys(intake: JobIntake) -> list[str]:
    return sorted(intake.blobs.keys("ours", "jobs"))


def interrupted() -> Iterator[bytes]:
    yield MP4
    raise KeyboardInterrupt


def submit_and_interrupt(intake: JobIntake) -> None:
    with intake.receive(OURS) as upload:
        upload.put_recording("a.mp4", [MP4])
        upload.submit(JobRequest(callback_url="http://127.0.0.1:9000/"))
        raise KeyboardInterrupt


def test_upload_that_is_not_submitted_is_deleted(intake: JobIntake) -> None:
    with intake.receive(OURS) as upload:
        upload.put_recording("a.mp4", [MP4])
        upload.put_track("Ana.wav", [MP4])
        assert len(stored_keys(intake)) == 2
    assert stored_keys(intake) == []
    with pytest.raises(KeyboardInterrupt), intake.receive(OURS) as upload:
        upload.put_recording("a.mp4", interrupted())
    assert stored_keys(intake) == []


def test_submitted_upload_is_kept_after_an_interruption(intake: JobIntake) -> None:
    with pytest.raises(KeyboardInterrupt):
        submit_and_interrupt(intake)
    (job,) = intake.jobs.list("ours").items
    assert stored_keys(intake) == [f"jobs/{job.id}/media/recording"]


def test_files_of_a_job_are_kept_if_the_connection_was_lost_when_it_was_added(
    intake: JobIntake, database: Database
) -> None:
    class Disconnected(SqlJobStore):
        def add(self, *arguments: Any, **more: Any) -> JobRecord:
            super().add(*arguments, **more)
            raise DatabaseUnavailable("The connection was lost.")

    losing = replace(intake, jobs=Disconnected(database))
    with pytest.raises(DatabaseUnavailable):
        submit_and_interrupt(losing)
    (job,) = intake.jobs.list("ours").items
    assert stored_keys(intake) == [f"jobs/{job.id}/media/recording"]


def test_job_that_cannot_be_stored_leaves_no_callback_endpoint(intake: JobIntake, database: Database) -> None:
    with intake.receive(OURS) as upload:
        upload.put_recording("a.mp4", [MP4])
        upload.submit(JobRequest())
        with pytest.raises(Exception, match="UNIQUE"):  # the same id again
            upload.submit(JobRequest(callback_url="http://127.0.0.1:9000/"))
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM endpoints").scalar_one() == 0


def test_sweep_deletes_abandoned_uploads_but_no_jobs(intake: JobIntake, clock: MovableClock) -> None:
    with intake.receive(OURS) as upload:
        upload.put_recording("a.mp4", [MP4])
        upload.submit(JobRequest())
    # The state after one process was killed at the end of a submission, and another during an upload.
    intake.incoming_uploads.begin("ours", upload.job_id)
    intake.incoming_uploads.begin("ours", "killed")
    intake.blobs.put("ours", "jobs/killed/media/recording", [MP4])
    assert intake.sweep() == 0, "the uploads may still be in progress"
    clock.move(ABANDONED_AFTER * 2)
    assert intake.sweep() == 2
    assert stored_keys(intake) == [f"jobs/{upload.job_id}/media/recording"]
    assert intake.sweep() == 0


def test_number_and_names_of_tracks_are_limited(intake: JobIntake) -> None:
    with intake.receive(OURS) as upload:
        upload.put_track("Ana.wav", [MP4])
        with pytest.raises(InvalidRequest, match="same name"):
            upload.put_track("x/Ana.mp3", [MP4])
        for number in range(15):
            upload.put_track(f"{number}.wav", [MP4])
        with pytest.raises(InvalidRequest, match="16"):
            upload.put_track("late.wav", [MP4])
        upload.put_transcript("a.vtt", [b"WEBVTT\n"])
        with pytest.raises(InvalidRequest, match="more than one transcript"):
            upload.put_transcript("b.vtt", [b"WEBVTT\n"])
        with pytest.raises(InvalidRequest, match="no recording"):
            upload.submit(JobRequest())
    with pytest.raises(NotFound):
        intake.jobs.cancel("ours", upload.job_id)


def test_key_defaults_apply_where_the_request_sets_no_option() -> None:
    defaults: dict[str, JsonValue] = {
        "purpose": "research",
        "modalities": ["text"],
        "consent": {"participants_informed": True},
    }
    caller = Caller(tenant="ours", key_id="k", scopes=frozenset(), defaults=defaults)
    governance = GovernanceSettings(require_purpose=True)
    options, consent = grant_options(JobRequest(), caller, governance)
    assert (options.purpose, options.modalities) == ("research", (Modality.TEXT,))
    assert consent is not None and consent.participants_informed
    options, _ = grant_options(
        JobRequest.model_validate({"modalities": "voice,text", "purpose": "media"}), caller, governance
    )
    assert (options.purpose, options.modalities) == ("media", (Modality.TEXT, Modality.VOICE))
    assert grant_options(JobRequest.model_validate({"modalities": "none"}), caller, governance)[0].modalities == ()
    with pytest.raises(InvalidRequest, match="purpose"):
        grant_options(JobRequest(), OURS, governance)
    with pytest.raises(ModalityNotAllowed):
        grant_options(
            JobRequest(modalities=(Modality.FACE,)),
            caller,
            GovernanceSettings(require_purpose=True, modalities=(Modality.TEXT,)),
        )


def test_known_voices_without_a_use_are_refused(intake: JobIntake) -> None:
    for tracks, request in ((1, JobRequest()), (0, JobRequest(separate_channels=True))):
        with intake.receive(OURS) as incoming:
            incoming.put_recording(None, [MP4])
            incoming.put_known_voice("Ana", [MP4])
            for _ in range(tracks):
                incoming.put_track(None, [MP4])
            with pytest.raises(InvalidRequest, match="Known voices"):
                incoming.submit(request)
    with intake.receive(OURS) as incoming:
        incoming.put_known_voice("Ana", [MP4])
        incoming.put_transcript(None, [b"Ana: Hello there\n"])
        with pytest.raises(InvalidRequest, match="Known voices"):
            incoming.submit(JobRequest())


def test_a_transcript_alone_has_no_recording_to_limit(intake: JobIntake) -> None:
    for request in (JobRequest(min_speech=0.5), JobRequest(max_seconds=60)):
        with intake.receive(OURS) as incoming:
            incoming.put_transcript(None, [b"Ana: Hello there\n"])
            with pytest.raises(InvalidRequest, match="need a recording"):
                incoming.submit(request)


def test_consent_concerns_what_identifies_people_by_their_body() -> None:
    governance = GovernanceSettings(require_consent=True)
    text = JobRequest(modalities=(Modality.TEXT,))
    assert grant_options(JobRequest(), OURS, governance, text_only=True)[0].modalities == tuple(Modality)
    assert grant_options(text, OURS, governance)[0].modalities == (Modality.TEXT,)
    for request, known_voices in ((JobRequest(), False), (text, True)):
        with pytest.raises(InvalidRequest, match="informed"):
            grant_options(request, OURS, governance, known_voices=known_voices)
