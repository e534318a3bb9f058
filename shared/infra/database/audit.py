"""The audit trail, in the database: it only grows."""

from __future__ import annotations

import json
from uuid import uuid4

from sqlalchemy import insert, literal, select, tuple_

from shared.domain.page import Cursor, Page
from shared.domain.tenant import AuditEntry
from shared.infra.database.engine import Database
from shared.infra.database.schema import audit

MOST_PER_PAGE = 500


class SqlAuditTrail:
    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, entry: AuditEntry) -> None:
        row = entry.model_dump(exclude={"facts"}) | {"id": uuid4().hex, "facts": json.dumps(dict(entry.facts))}
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
        items = tuple(
            AuditEntry.model_validate(
                {name: value for name, value in row.items() if name != "id"} | {"facts": json.loads(row["facts"])}
            )
            for row in shown
        )
        more = len(rows) > limit
        return Page(items=items, next_cursor=str(Cursor(at=shown[-1]["at"], id=shown[-1]["id"])) if more else None)
