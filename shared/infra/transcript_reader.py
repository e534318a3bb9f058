"""Reads finished transcripts of the caller's tenant with corrections, and with readings if the caller may see them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from pydantic import JsonValue

from shared.domain.corrected_transcript import apply_corrections
from shared.domain.correction import HISTORY, CorrectedField, Correction
from shared.domain.error import JobFailed, NotFound, NotReady, StateConflict, StoredDataMissing
from shared.domain.job_blobs import transcript_key
from shared.domain.job_record import JobRecord, JobStatus
from shared.domain.tenant import Scope
from shared.domain.transcript import Transcript
from shared.infra.checks import ReadinessCheck
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.corrections import SqlCorrectionStore
from shared.infra.database.engine import Clock, Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.parsed_transcripts import ParsedTranscripts
from shared.infra.storage_errors import storage_unavailable
from shared.infra.web.authenticator import Caller
from shared.ports.blobs import BlobStore

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True, slots=True)
class VisibleTranscript:
    """A transcript as it is served; every view renders it with `emotion`."""

    transcript: Transcript
    emotion: bool
    corrections: tuple[Correction, ...]


@dataclass(frozen=True, slots=True)
class TranscriptReader:
    jobs: SqlJobStore
    blobs: BlobStore
    corrections: SqlCorrectionStore
    index: SqlTranscriptIndex
    audit: SqlAuditLog
    clock: Clock
    storage: ReadinessCheck
    parsed: ParsedTranscripts

    def read(
        self, caller: Caller, job_id: str, *, emotion: bool | None = None, original: bool = False
    ) -> VisibleTranscript:
        """`emotion=None` includes readings if the caller may see them; `True` without that right raises an error."""
        if emotion:
            caller.require_scope(Scope.EMOTIONS_READ)
        visible = caller.has_scope(Scope.EMOTIONS_READ) if emotion is None else emotion
        published = self.published(caller, job_id)
        corrections = (
            () if original else visible_corrections(self.corrections.list(caller.tenant, job_id), emotion=visible)
        )
        return VisibleTranscript(apply_corrections(published, corrections), visible, corrections)

    def published(self, caller: Caller, job_id: str) -> Transcript:
        """The transcript as the job published it, without corrections."""
        record = self.record(caller, job_id)
        if record.status is not JobStatus.DONE:
            _raise_not_ready(record)
        if not self.storage.passes():  # unresponsive storage must not block every thread
            raise storage_unavailable()
        try:
            content = b"".join(self.blobs.read(caller.tenant, transcript_key(job_id)))
        except NotFound:
            self.record(caller, job_id)  # raises NotFound if the job was erased meanwhile
            raise StoredDataMissing("The transcript is no longer in storage.", hint="Run the job again.") from None
        return _renamed(self.parsed.parse(content), record.job.name)

    def record(self, caller: Caller, job_id: str) -> JobRecord:
        """Raise the same error for another tenant's job, an erased job and a missing job."""
        record = self.jobs.find(caller.tenant, job_id) if _ID.fullmatch(job_id) else None
        if record is None:
            raise NotFound("There is no such transcript.")
        return record

    def record_audit(self, caller: Caller, action: str, subject: str, **details: JsonValue) -> None:
        """Write the audit entry before the response: data whose access cannot be logged is not returned."""
        self.audit.record(caller.audit_entry(self.clock(), action, subject, **details))


def _renamed(transcript: Transcript, name: str | None) -> Transcript:
    if name is None:
        return transcript
    return transcript.model_copy(update={"recording": transcript.recording.model_copy(update={"name": name})})


def open_transcripts(database: Database, blobs: BlobStore) -> TranscriptReader:
    """The reader over this deployment's database and blob store."""
    return TranscriptReader(
        jobs=SqlJobStore(database),
        blobs=blobs,
        corrections=SqlCorrectionStore(database),
        index=SqlTranscriptIndex(database),
        audit=SqlAuditLog(database),
        clock=database.clock,
        storage=ReadinessCheck("storage", blobs.probe),
        parsed=ParsedTranscripts(),
    )


def visible_corrections(corrections: Sequence[Correction], *, emotion: bool) -> tuple[Correction, ...]:
    """A corrected emotion counts as a reading and is filtered like one, and so is what undoes it."""
    if emotion:
        return tuple(corrections)
    visible = [one for one in corrections if one.field is not CorrectedField.EMOTION]
    edits = {str(one.edit) for one in visible if one.field not in HISTORY}
    return tuple(one for one in visible if one.field not in HISTORY or one.target in edits)


def _raise_not_ready(record: JobRecord) -> NoReturn:
    again = f"POST /v1/jobs/{record.id}/retry runs the missing stages again."
    if record.status is JobStatus.FAILED and record.error is not None:
        raise JobFailed(record.error.message, job_code=record.error.code, hint=again)
    if record.status.active:
        raise NotReady(
            f"There is no transcript yet: the job is {record.status}.",
            hint=f"GET /v1/jobs/{record.id} returns its progress; try again when it is done.",
        )
    raise StateConflict(f"There is no transcript: the job is {record.status}.", hint=again)
