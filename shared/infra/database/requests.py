"""The audit trail, and the answers that repeated requests get, in the database."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping, delete, insert, literal, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from shared.domain.error import KeyReused
from shared.domain.idempotency import Begun, RequestKey, StoredAnswer
from shared.domain.page import Cursor, Page
from shared.domain.tenant import AuditEntry
from shared.infra.database.engine import Database
from shared.infra.database.schema import audit, idempotency

MOST_PER_PAGE = 1000
LONGEST = timedelta(hours=2)  # no request runs longer: what is not answered then was killed


class SqlAuditTrail:
    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, entry: AuditEntry) -> None:
        row = entry.model_dump() | {"id": uuid4().hex, "facts": json.dumps(dict(entry.facts))}
        with self._database.writing() as connection:
            connection.execute(insert(audit).values(**row))

    def list(self, tenant: str, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEntry]:
        limit = max(1, min(limit, MOST_PER_PAGE))
        query = select(audit).where(audit.c.tenant == tenant)
        if cursor is not None:
            last = Cursor.parse(cursor)
            at = literal(last.at, audit.c.at.type)
            query = query.where(tuple_(audit.c.at, audit.c.id) < tuple_(at, literal(last.id)))
        query = query.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit + 1)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        shown = rows[:limit]
        following = str(Cursor(at=shown[-1]["at"], id=shown[-1]["id"])) if len(rows) > limit else None
        return Page(items=tuple(map(_entry, shown)), next_cursor=following)

    def forget(self, before: datetime) -> int:
        with self._database.writing() as connection:
            return connection.execute(delete(audit).where(audit.c.at < before)).rowcount


class SqlAnsweredRequests:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, request: RequestKey, fingerprint: str) -> Begun:
        now = self._database.now
        row = request.model_dump() | {"fingerprint": fingerprint, "created_at": now}
        lost = (*_same(request), idempotency.c.status.is_(None), idempotency.c.created_at < now - LONGEST)
        with self._database.writing() as connection:
            connection.execute(delete(idempotency).where(*lost))
        try:
            with self._database.writing() as connection:
                connection.execute(insert(idempotency).values(**row))
        except IntegrityError:  # the unique key decides who was first
            return self._standing(request, fingerprint)
        return Begun(new=True)

    def _standing(self, request: RequestKey, fingerprint: str) -> Begun:
        with self._database.reading() as connection:
            row = connection.execute(select(idempotency).where(*_same(request))).mappings().one_or_none()
        if row is None:  # released in this very moment
            return Begun(new=False)
        if row["fingerprint"] != fingerprint:
            raise KeyReused("That idempotency key was used for another request.", mend="Use a new key.")
        if row["status"] is None:
            return Begun(new=False)
        return Begun(new=False, answer=StoredAnswer(status=row["status"], body=row["body"]))

    def answer(self, request: RequestKey, answer: StoredAnswer, *, job_id: str | None = None) -> None:
        with self._database.writing() as connection:
            connection.execute(
                update(idempotency).where(*_same(request)).values(status=answer.status, body=answer.body, job_id=job_id)
            )

    def release(self, request: RequestKey) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(idempotency).where(*_same(request), idempotency.c.status.is_(None)))

    def forget(self, before: datetime) -> int:
        with self._database.writing() as connection:
            return connection.execute(delete(idempotency).where(idempotency.c.created_at < before)).rowcount


def _same(request: RequestKey) -> tuple[Any, ...]:
    return tuple(idempotency.c[name] == value for name, value in request.model_dump().items())


def _entry(row: RowMapping) -> AuditEntry:
    kept = {name: value for name, value in row.items() if name != "id"}
    return AuditEntry.model_validate({**kept, "facts": json.loads(row["facts"])})
