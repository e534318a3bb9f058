"""Stores the uploads in progress and their heartbeats in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from shared.infra.database.engine import Database
from shared.infra.database.schema import incoming_uploads


class SqlIncomingUploadStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, tenant: str, job_id: str) -> None:
        """Record the upload before its first byte, when the job does not exist yet."""
        with self._database.writing() as connection:
            connection.execute(
                insert(incoming_uploads).values(job_id=job_id, tenant=tenant, seen_at=self._database.now)
            )

    def heartbeat(self, job_id: str) -> None:
        """Record that the upload is still running."""
        with self._database.writing() as connection:
            connection.execute(
                update(incoming_uploads).where(incoming_uploads.c.job_id == job_id).values(seen_at=self._database.now)
            )

    def end(self, job_id: str) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(incoming_uploads).where(incoming_uploads.c.job_id == job_id))

    def abandoned(self, before: datetime) -> tuple[tuple[str, str], ...]:
        """Tenants and ids of uploads without a heartbeat since this time."""
        query = select(incoming_uploads.c.tenant, incoming_uploads.c.job_id).where(incoming_uploads.c.seen_at < before)
        with self._database.reading() as connection:
            return tuple((row.tenant, row.job_id) for row in connection.execute(query))
