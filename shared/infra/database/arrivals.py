"""Requests under way, in the database: answers for those that are repeated, and traces of those that are killed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from shared.domain.error import IdempotencyKeyBusy
from shared.domain.idempotency import RequestKey, StoredAnswer
from shared.infra.database.engine import Database
from shared.infra.database.schema import arrivals, idempotency


class SqlAnswerStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, key: RequestKey, holder: str, *, lease: timedelta) -> StoredAnswer | None:
        now = self._database.now
        with self._database.writing_alone(f"idempotency {key.tenant}") as connection:
            row = connection.execute(select(idempotency).where(*_at(key))).mappings().one_or_none()
            if row is None:
                connection.execute(insert(idempotency).values(**key.model_dump(), holder=holder, created_at=now))
            elif row["status"] is not None:
                return StoredAnswer(fingerprint=row["fingerprint"], status=row["status"], body=row["body"])
            elif row["created_at"] > now - lease:
                raise IdempotencyKeyBusy(
                    "The first request with that Idempotency-Key has not ended.", mend="Wait, and ask again."
                )
            else:  # its process was killed
                taken = {"holder": holder, "created_at": now}
                connection.execute(update(idempotency).where(*_at(key)).values(**taken))
        return None

    def renew(self, key: RequestKey, holder: str) -> None:
        with self._database.writing() as connection:
            connection.execute(
                update(idempotency).where(*_at(key), *_held(holder)).values(created_at=self._database.now)
            )

    def finish(self, key: RequestKey, holder: str, answer: StoredAnswer, *, job_id: str | None = None) -> None:
        kept = answer.model_dump() | {"job_id": job_id, "created_at": self._database.now}
        with self._database.writing() as connection:
            connection.execute(update(idempotency).where(*_at(key), *_held(holder)).values(**kept))

    def abandon(self, key: RequestKey, holder: str) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(idempotency).where(*_at(key), *_held(holder)))

    def forget(self, before: datetime) -> int:
        with self._database.writing() as connection:
            return connection.execute(delete(idempotency).where(idempotency.c.created_at < before)).rowcount


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


def _at(key: RequestKey) -> tuple[Any, ...]:
    return tuple(idempotency.c[name] == value for name, value in key.model_dump().items())


def _held(holder: str) -> tuple[Any, ...]:
    return (idempotency.c.holder == holder, idempotency.c.status.is_(None))
