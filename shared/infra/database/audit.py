"""The audit trail in the database: lines are added, by themselves or with what they tell of, and read in pages."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, RowMapping, insert, literal, select, tuple_

from shared.domain.page import Cursor, Page
from shared.domain.tenant import AuditEntry
from shared.infra.database.engine import Database
from shared.infra.database.schema import audit

MOST_PER_PAGE = 500


def write_entry(connection: Connection, entry: AuditEntry) -> None:
    """In the caller's transaction: what was done is never there without its line."""
    values: dict[str, Any] = entry.model_dump(exclude={"facts"})
    connection.execute(insert(audit).values(id=uuid4().hex, facts=json.dumps(dict(entry.facts)), **values))


class SqlAuditTrail:
    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, entry: AuditEntry) -> None:
        with self._database.writing() as connection:
            write_entry(connection, entry)

    def list(self, tenant: str, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEntry]:
        limit = max(1, min(limit, MOST_PER_PAGE))
        query = select(audit).where(audit.c.tenant == tenant)
        if cursor is not None:
            last = Cursor.parse(cursor)
            bounds = tuple_(literal(last.at, audit.c.at.type), literal(last.id, audit.c.id.type))
            query = query.where(tuple_(audit.c.at, audit.c.id) < bounds)
        query = query.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit + 1)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        shown = rows[:limit]
        more = len(rows) > limit
        next_cursor = str(Cursor(at=shown[-1]["at"], id=shown[-1]["id"])) if more else None
        return Page(items=tuple(_read(row) for row in shown), next_cursor=next_cursor)


def _read(row: RowMapping) -> AuditEntry:
    values = {name: row[name] for name in AuditEntry.model_fields if name != "facts"}
    return AuditEntry(**values, facts=json.loads(row["facts"]))
