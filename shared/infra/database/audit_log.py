"""Stores the audit log in the database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from shared.domain.page import Page
from shared.domain.tenant import AuditEntry, AuditFilter
from shared.infra.database.engine import Database
from shared.infra.database.rows import read_page, read_row
from shared.infra.database.schema import audit

MAX_PER_PAGE = 1000


class SqlAuditLog:
    """Append-only audit log; entries are deleted only by retention, never by a request."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, entry: AuditEntry) -> None:
        with self._database.writing() as connection:
            insert_audit_entry(connection, entry)

    def list(
        self, tenant: str, *, only: AuditFilter | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[AuditEntry]:
        """The entries, newest first."""
        query = select(audit).where(audit.c.tenant == tenant, *_conditions(only or AuditFilter()))
        limit = min(limit, MAX_PER_PAGE)
        with self._database.reading() as connection:
            rows, following = read_page(connection, query, audit.c.at, audit.c.id, cursor=cursor, limit=limit)
        entries = tuple(read_row(AuditEntry, row, details=json.loads(row["details"])) for row in rows)
        return Page(items=entries, next_cursor=following)

    def delete_before(self, before: datetime) -> int:
        with self._database.writing() as connection:
            return connection.execute(delete(audit).where(audit.c.at < before)).rowcount


def _conditions(only: AuditFilter) -> Iterator[ColumnElement[bool]]:
    for column in (audit.c.action, audit.c.key_id, audit.c.subject):
        if (wanted := getattr(only, column.name)) is not None:
            yield column == wanted
    if only.at_from is not None:
        yield audit.c.at >= only.at_from
    if only.at_before is not None:
        yield audit.c.at < only.at_before


def insert_audit_entry(connection: Connection, entry: AuditEntry) -> None:
    """Insert the entry in the caller's transaction."""
    row = entry.model_dump() | {"id": uuid4().hex, "details": json.dumps(dict(entry.details))}
    connection.execute(insert(audit).values(**row))
