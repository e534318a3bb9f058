"""Transcripts as a caller may see them: their own, finished, corrected, and with readings only where they may."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from pydantic import JsonValue

from shared.domain.correction import CorrectedField, Correction, apply_changes
from shared.domain.error import JobFailed, NotFound, NotReady, StateConflict, StoredDataMissing
from shared.domain.job_blobs import transcript_key
from shared.domain.job_record import JobRecord, JobStatus
from shared.domain.tenant import AuditEntry, Scope
from shared.domain.transcript import Transcript
from shared.infra.blobs_counted import storage_unavailable
from shared.infra.checks import ReadinessCheck
from shared.infra.database.engine import Clock
from shared.infra.web.api_keys import Caller
from shared.ports.blobs import BlobStore
from shared.ports.jobs import JobStore
from shared.ports.keys import AuditLog
from shared.ports.transcripts import CorrectionStore

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True, slots=True)
class VisibleTranscript:
    """A transcript as it is served; every view renders it with `emotion`."""

    transcript: Transcript
    emotion: bool
    corrections: tuple[Correction, ...]


@dataclass(frozen=True, slots=True)
class TranscriptReader:
    jobs: JobStore
    blobs: BlobStore
    corrections: CorrectionStore
    audit: AuditLog
    clock: Clock
    storage: ReadinessCheck

    def read(
        self, caller: Caller, job_id: str, *, emotion: bool | None = None, original: bool = False
    ) -> VisibleTranscript:
        """`emotion=None` means: if the caller may. Who asks for readings without the right to them is told so."""
        if emotion:
            caller.require_scope(Scope.EMOTIONS_READ)
        visible = caller.has_scope(Scope.EMOTIONS_READ) if emotion is None else emotion
        published = self.published(caller, job_id)
        kept = () if original else visible_corrections(self.corrections.list(caller.tenant, job_id), emotion=visible)
        return VisibleTranscript(apply_changes(published, kept), visible, kept)

    def published(self, caller: Caller, job_id: str) -> Transcript:
        """As the job made it, before people corrected anything."""
        record = self.record(caller, job_id)
        if record.status is not JobStatus.DONE:
            _raise_not_ready(record)
        if not self.storage.passes():  # a storage that hangs must not take every thread
            raise storage_unavailable()
        try:
            content = b"".join(self.blobs.read(caller.tenant, transcript_key(job_id)))
        except NotFound:
            self.record(caller, job_id)  # it may have been erased just now
            raise StoredDataMissing("The transcript is no longer in storage.", hint="Run the job again.") from None
        return Transcript.model_validate_json(content)

    def record(self, caller: Caller, job_id: str) -> JobRecord:
        """Another tenant's job, an erased one and one that never was are the same."""
        record = self.jobs.find(caller.tenant, job_id) if _ID.fullmatch(job_id) else None
        if record is None:
            raise NotFound("There is no such transcript.")
        return record

    def audit_entry(self, caller: Caller, action: str, subject: str, **facts: JsonValue) -> AuditEntry:
        return AuditEntry(
            tenant=caller.tenant,
            at=self.clock(),
            key_id=caller.key_id,
            action=action,
            subject=subject,
            details=facts,
            address=caller.address,
        )

    def record_audit(self, caller: Caller, action: str, subject: str, **facts: JsonValue) -> None:
        """Before anything is sent: what nobody can note is not shown."""
        self.audit.record(self.audit_entry(caller, action, subject, **facts))


def visible_corrections(corrections: Sequence[Correction], *, emotion: bool) -> tuple[Correction, ...]:
    """A corrected emotion is a reading too."""
    return tuple(one for one in corrections if emotion or one.field is not CorrectedField.EMOTION)


def _raise_not_ready(record: JobRecord) -> NoReturn:
    again = f"POST /v1/jobs/{record.id}/retry runs again what is missing."
    if record.status is JobStatus.FAILED and record.error is not None:
        raise JobFailed(record.error.message, job_code=record.error.code, hint=again)
    if record.status.active:
        raise NotReady(
            f"There is no transcript yet: the job is {record.status}.",
            hint=f"GET /v1/jobs/{record.id} says how far it is; ask again when it is done.",
        )
    raise StateConflict(f"There is no transcript: the job is {record.status}.", hint=again)
