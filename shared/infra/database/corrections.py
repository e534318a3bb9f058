"""Stores transcript corrections in the database as append-only rows, and updates the search index and audit trail."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from shared.domain.correction import Change, Correction, numbered
from shared.domain.error import PreconditionFailed
from shared.domain.tenant import AuditEntry
from shared.domain.transcript import Transcript
from shared.infra.database.audit_log import insert_audit_entry
from shared.infra.database.engine import Database
from shared.infra.database.job_rows import lock_present_job
from shared.infra.database.rows import read_row
from shared.infra.database.schema_transcripts import corrections
from shared.infra.database.search import changed_rows, update_utterances


class SqlCorrectionStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, tenant: str, job_id: str) -> tuple[Correction, ...]:
        """The corrections in the order in which they were made."""
        own = (corrections.c.tenant == tenant, corrections.c.job_id == job_id)
        query = select(corrections).where(*own).order_by(corrections.c.number)
        with self._database.reading() as connection:
            return tuple(read_row(Correction, row) for row in connection.execute(query).mappings())

    def add(
        self,
        tenant: str,
        job_id: str,
        changes: Sequence[Change],
        *,
        after: int,
        before: Transcript,
        shown: Transcript,
        entry: AuditEntry,
    ) -> tuple[Correction, ...]:
        """Store the changes as one edit, their rows of the search index and the audit entry, in one transaction.
        `before` has the first `after` corrections and `shown` has all. Raises PreconditionFailed unless exactly
        `after` corrections exist."""
        left, utterances = changed_rows(tenant, before, shown)
        with self._database.writing() as connection:
            lock_present_job(connection, tenant, job_id)
            if _count(connection, job_id) != after:
                raise PreconditionFailed(
                    "The transcript was changed in the meantime.", hint="Read it again, then repeat the correction."
                )
            made = numbered(changes, after=after, key_id=entry.key_id, at=self._database.now)
            rows = [{**correction.model_dump(), "tenant": tenant, "job_id": job_id} for correction in made]
            connection.execute(insert(corrections), rows)
            update_utterances(connection, job_id, left, utterances)
            insert_audit_entry(connection, entry)
            return made


def _count(connection: Connection, job_id: str) -> int:
    query = select(func.count()).select_from(corrections).where(corrections.c.job_id == job_id)
    return connection.execute(query).scalar_one()
