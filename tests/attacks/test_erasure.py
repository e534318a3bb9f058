"""After the erasure of a job no byte of the stores contains its words, in whatever state the job was."""

from __future__ import annotations

import hashlib
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from services.dispatcher.erasure import Erasure
from services.worker.run_stage import StageOutcome
from shared.domain.correction import Change, CorrectedField
from shared.domain.error import EngineFailed
from shared.domain.governance import Consent
from shared.domain.idempotency import RequestKey, StoredResponse
from shared.domain.job import Job, JobOptions, Source
from shared.domain.job_blobs import job_folder, recording_key, transcript_key
from shared.domain.job_record import JobStatus, NewJob
from shared.domain.notes import Notes, NotesClaim, NotesRecord, NotesStatus
from shared.domain.stage_plan import plan_stages
from shared.domain.tenant import AuditEntry
from shared.domain.transcript import Transcript
from shared.domain.webhook import EventType, WebhookEndpoint
from shared.engines.catalog import Setup
from shared.infra.database.corrections import SqlCorrectionStore
from shared.infra.database.idempotency import SqlIdempotencyStore
from shared.infra.database.notes import SqlNotesStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.webhooks import SqlEndpointStore
from shared.infra.retention_settings import RetentionSettings
from shared.infra.secret_encryption import new_key
from shared.ports.media import Floats
from tests.fakes import ScriptedEncoder, ScriptedTranscriber, word
from tests.stores import Stores
from tests.worker.worker_harness import TENANT, WorkerHarness, engines

# Lower case, like the words in the search index. Each is unique, so that no other content contains it.
SPOKEN = [f"quokka{number}zyx" for number in range(200)]
METADATA, CONSENT, FILE, CALLBACK, ANSWER, MEDIA, CORRECTED, NOTED = (f"canary{number}zyx" for number in range(8))
CANARIES = re.compile(rb"(quokka[0-9]+|canary[0-9])zyx", re.IGNORECASE)


def found(stores: Stores) -> set[bytes]:
    """The canaries in any file of the folder and of PostgreSQL, with logs and temporary files, and in any object."""
    kept: set[bytes] = set()
    for name, content in stores.contents():
        kept |= {one[0].lower() for one in CANARIES.finditer(f"{name}\n".encode() + content)}
    return kept


class Terminating(ScriptedEncoder):
    """The worker receives SIGTERM and its grace ends while the stage runs."""

    def embed(self, clips: Sequence[Floats]) -> Floats:
        signal.raise_signal(signal.SIGTERM)
        return super().embed(clips)


def harness_at(stores: Stores, setup: Setup, **slots: Any) -> WorkerHarness:
    words = [word(text, 0.3 + 0.01 * number, 0.31 + 0.01 * number) for number, text in enumerate(SPOKEN)]
    slots = {**engines(), "asr": ScriptedTranscriber(words), **slots}
    return WorkerHarness.at(stores.folder, setup, slots, stores=stores)


def submit(harness: WorkerHarness) -> str:
    """A job with a canary in each field that a client fills."""
    job = Job(
        id=uuid4().hex,
        recording=Source(name=FILE, sha256=hashlib.sha256(MEDIA.encode()).hexdigest()),
        options=JobOptions(modalities=()),
    )
    harness.blobs.put(TENANT, recording_key(job.id), [MEDIA.encode()])
    consent = Consent(reference=CONSENT)
    harness.jobs.add(TENANT, NewJob(job=job, stages=plan_stages(job), metadata={"x": METADATA}, consent=consent))
    endpoint = WebhookEndpoint(
        id=uuid4().hex,
        tenant=TENANT,
        url=f"https://hook.example/{CALLBACK}",
        event_types=frozenset(EventType),
        job_id=job.id,
        created_at=harness.clock.now,
    )
    SqlEndpointStore(harness.database).add(endpoint)
    request = RequestKey(tenant=TENANT, method="POST", path="/v1/recordings", key=job.id)
    answers = SqlIdempotencyStore(harness.database)
    answers.begin(request, "f")
    answers.store_response(request, StoredResponse(status=202, body=ANSWER.encode()), job_id=job.id)
    return job.id


def finished(stores: Stores, setup: Setup) -> tuple[WorkerHarness, str]:
    """A job that is done, with a correction, notes and a webhook."""
    harness = harness_at(stores, setup)
    job_id = submit(harness)
    harness.run_all()
    assert harness.record(job_id).status is JobStatus.DONE
    SqlOutbox(harness.database).fan_out()
    shown = Transcript.model_validate_json(b"".join(harness.blobs.read(TENANT, transcript_key(job_id))))
    change = Change(field=CorrectedField.TEXT, target="0", old=shown.utterances[0].text, new=CORRECTED)
    entry = AuditEntry(tenant=TENANT, at=harness.clock.now, key_id=None, action="transcript.corrected", subject=job_id)
    corrections = SqlCorrectionStore(harness.database)
    corrections.add(TENANT, job_id, [change], after=0, before=shown, shown=shown, entry=entry)
    noted = NotesRecord(
        status=NotesStatus.DONE,
        model="small",
        emotion=False,
        corrections=1,
        requested_at=harness.clock.now,
        notes=Notes(summary=(NotesClaim(text=NOTED, utterances=(0,)),)),
    )
    SqlNotesStore(harness.database).begin(TENANT, job_id, noted, entry)
    return harness, job_id


def failed(stores: Stores, setup: Setup) -> tuple[WorkerHarness, str]:
    """A job whose last stage failed after its words were stored and indexed."""
    harness = harness_at(stores, setup)
    index = harness.runner.index_transcript
    assert index is not None

    def index_and_fail(tenant: str, transcript: Transcript) -> None:
        index(tenant, transcript)
        raise EngineFailed("The stage failed.")

    job_id = submit(harness)
    harness.runner = replace(harness.runner, index_transcript=index_and_fail)
    while harness.record(job_id).status.active:
        harness.run_all()
        harness.later(3600)
    assert harness.record(job_id).status is JobStatus.FAILED
    return harness, job_id


def stopped(stores: Stores, setup: Setup) -> tuple[WorkerHarness, str]:
    """A job whose worker was stopped after the words were transcribed."""
    harness = harness_at(stores, setup, speaker=Terminating())
    job_id = submit(harness)
    harness.until("diarize")
    assert harness.runner.run(job_id, "diarize") is StageOutcome.REQUEUED
    return harness, job_id


@pytest.mark.parametrize("prepare", [finished, failed, stopped])
def test_no_byte_of_an_erased_job_remains(
    stores: Stores, setup: Setup, prepare: Callable[[Stores, Setup], tuple[WorkerHarness, str]]
) -> None:
    harness, job_id = prepare(stores, setup)
    stores.flush()
    assert len(found(stores)) > len(SPOKEN), "the words are stored before"
    erase(harness, job_id)
    stores.maintain()
    assert found(stores) == set()


def test_encrypted_blobs_have_no_words_and_no_names(stores: Stores, setup: Setup) -> None:
    stores = replace(stores, master_keys=new_key())
    harness, job_id = finished(stores, setup)
    stored = list(harness.blobs.keys(TENANT, job_folder(job_id)))
    assert len(stored) > 5
    raw = stores.blobs()
    for key in stored:
        content = f"{key}\n".encode() + b"".join(raw.read(TENANT, key))
        assert not CANARIES.search(content), key


def erase(harness: WorkerHarness, job_id: str) -> None:
    harness.jobs.erase(TENANT, job_id, by="test", reason="asked")
    erasure = Erasure(harness.database, harness.blobs, RetentionSettings().periods)
    erasure.finish_erasures()
    erasure.purge_deleted()
