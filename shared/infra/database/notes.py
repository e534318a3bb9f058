"""Stores the notes of a meeting; they are deleted with its job."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from shared.domain.error import StateConflict
from shared.domain.notes import NotesRecord, NotesStatus
from shared.domain.tenant import AuditEntry
from shared.infra.database.audit_log import insert_audit_entry
from shared.infra.database.engine import Database
from shared.infra.database.job_rows import lock_present_job
from shared.infra.database.schema_transcripts import notes

LOST = timedelta(hours=1)  # after which notes that are still being written have lost their process


class SqlNotesStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, tenant: str, job_id: str) -> NotesRecord | None:
        query = select(notes.c.record).where(notes.c.tenant == tenant, notes.c.job_id == job_id)
        with self._database.reading() as connection:
            found = connection.execute(query).scalar_one_or_none()
        record = None if found is None else NotesRecord.model_validate_json(found)
        if record is None or record.status is not NotesStatus.RUNNING or not self._lost(record):
            return record
        return record.model_copy(update={"status": NotesStatus.FAILED, "error": "The service was restarted."})

    def begin(self, tenant: str, job_id: str, record: NotesRecord, entry: AuditEntry) -> None:
        """Replace the notes; raises StateConflict while others are being written."""
        with self._database.writing() as connection:
            lock_present_job(connection, tenant, job_id)
            stored = connection.execute(select(notes.c.record).where(notes.c.job_id == job_id)).scalar_one_or_none()
            if stored is not None:
                before = NotesRecord.model_validate_json(stored)
                if before.status is NotesStatus.RUNNING and not self._lost(before):
                    raise StateConflict(
                        "The notes of this meeting are being written.", hint="Wait until they are done."
                    )
            connection.execute(delete(notes).where(notes.c.job_id == job_id))
            connection.execute(insert(notes).values(tenant=tenant, job_id=job_id, record=record.model_dump_json()))
            insert_audit_entry(connection, entry)

    def finish(self, tenant: str, job_id: str, record: NotesRecord) -> None:
        """Raises NotFound if the job was erased meanwhile, so that nothing of it is stored again."""
        own = (notes.c.tenant == tenant, notes.c.job_id == job_id)
        with self._database.writing() as connection:
            lock_present_job(connection, tenant, job_id)
            connection.execute(update(notes).where(*own).values(record=record.model_dump_json()))

    def _lost(self, record: NotesRecord) -> bool:
        return record.requested_at + LOST <= self._database.now
