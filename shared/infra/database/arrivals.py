"""What is on its way into storage, in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from shared.infra.database.engine import Database
from shared.infra.database.schema import arrivals


class SqlArrivalStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, tenant: str, job_id: str) -> None:
        with self._database.writing() as connection:
            connection.execute(insert(arrivals).values(job_id=job_id, tenant=tenant, seen_at=self._database.now))

    def renew(self, job_id: str) -> None:
        with self._database.writing() as connection:
            connection.execute(update(arrivals).where(arrivals.c.job_id == job_id).values(seen_at=self._database.now))

    def end(self, job_id: str) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(arrivals).where(arrivals.c.job_id == job_id))

    def lost(self, before: datetime) -> tuple[tuple[str, str], ...]:
        query = select(arrivals.c.tenant, arrivals.c.job_id).where(arrivals.c.seen_at < before)
        with self._database.reading() as connection:
            return tuple((row.tenant, row.job_id) for row in connection.execute(query))
