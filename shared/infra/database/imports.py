"""Stores imports in the database: each recording of a platform once, with a lease for the attempt that fetches it."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from shared.domain.import_record import ImportClaim, ImportRecord, ImportStatus
from shared.domain.page import Page
from shared.infra.database.engine import Database
from shared.infra.database.rows import read_page, read_row
from shared.infra.database.schema import imports

PENDING = imports.c.status == ImportStatus.PENDING


class SqlImportStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: ImportRecord, key: str, group: str | None = None) -> bool:
        """Store a new import; returns False if the tenant's connector has announced this key before.

        A new file of a group delays the others of the group that have not been tried yet, so that all are imported
        together.
        """
        row: dict[str, Any] = record.model_dump() | {
            "key_sha256": _sha256(key),
            "group_sha256": group and _sha256(group),
        }
        waiting = imports.c.group_sha256 == row["group_sha256"], PENDING, imports.c.attempts == 0
        try:
            with self._database.writing() as connection:
                connection.execute(insert(imports).values(**row))
                if group is not None:
                    connection.execute(update(imports).where(*waiting).values(next_attempt_at=record.next_attempt_at))
        except IntegrityError:  # the unique constraint decides which delivery was first
            if self.find(record.tenant, record.connector, key) is None:
                raise
            return False
        return True

    def take_over(self, tenant: str, connector: str, key: str, lease: str) -> bool:
        """Lease an import whose sender repeats it; returns False if it is done."""
        open_one = imports.c.status != ImportStatus.DONE
        change = update(imports).where(*_same(tenant, connector, key), open_one)
        with self._database.writing() as connection:
            changed = connection.execute(change.values(status=ImportStatus.PENDING, lease=lease, finished_at=None))
            return changed.rowcount > 0

    def is_current(self, lease: str) -> bool:
        with self._database.reading() as connection:
            return connection.execute(select(imports.c.id).where(imports.c.lease == lease, PENDING)).first() is not None

    def find(self, tenant: str, connector: str, key: str) -> ImportRecord | None:
        query = select(imports).where(*_same(tenant, connector, key))
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else read_row(ImportRecord, row)

    def any_due(self) -> bool:
        """Whether `claim` could find an import; a cheap read-only query."""
        query = select(imports.c.id).where(PENDING, imports.c.next_attempt_at <= self._database.now).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    def claim(self, lease_time: timedelta) -> ImportClaim | None:
        """Lease the import that is due for the longest time, with all waiting ones of its group."""
        now, lease = self._database.now, uuid4().hex
        due = select(imports).where(PENDING, imports.c.next_attempt_at <= now).order_by(imports.c.next_attempt_at)
        with self._database.writing_exclusively("imports") as connection:
            first = connection.execute(due.limit(1)).mappings().first()
            if first is None:
                return None
            same = imports.c.id == first["id"]
            if first["group_sha256"] is not None:
                same = or_(same, imports.c.group_sha256 == first["group_sha256"])
            found = due.where(same).order_by(None).order_by(imports.c.created_at, imports.c.id)
            records = tuple(read_row(ImportRecord, row) for row in connection.execute(found).mappings())
            changes = {"lease": lease, "next_attempt_at": now + lease_time, "attempts": imports.c.attempts + 1}
            ids = [record.id for record in records]
            connection.execute(update(imports).where(imports.c.id.in_(ids)).values(**changes))
        return ImportClaim(lease=lease, records=records)

    def renew(self, lease: str, lease_time: timedelta) -> bool:
        """Extend the lease; returns False if another attempt has taken it over."""
        return self._change(lease, next_attempt_at=self._database.now + lease_time)

    def finish(self, lease: str, *, job_id: str | None = None, error: str | None = None) -> bool:
        """End the imports of the lease: with the job that they became, or with the error that no retry can remove."""
        status = ImportStatus.DONE if error is None else ImportStatus.FAILED
        ended: dict[str, Any] = {"status": status, "error": error, "next_attempt_at": None, "content": None}
        if job_id is not None:
            ended["job_id"] = job_id
        return self._change(lease, finished_at=self._database.now, **ended)

    def postpone(
        self, lease: str, until: datetime, *, job_id: str | None = None, error: str | None = None, tried: bool = True
    ) -> bool:
        """Schedule the next attempt; without `tried` this one does not count."""
        changes: dict[str, Any] = {"next_attempt_at": until, "error": error}
        if job_id is not None:
            changes["job_id"] = job_id
        if not tried:
            changes["attempts"] = imports.c.attempts - 1
        return self._change(lease, **changes)

    def list(self, tenant: str, *, cursor: str | None = None, limit: int = 50) -> Page[ImportRecord]:
        """A tenant's imports, newest first."""
        query = select(imports).where(imports.c.tenant == tenant)
        with self._database.reading() as connection:
            rows, following = read_page(
                connection, query, imports.c.created_at, imports.c.id, cursor=cursor, limit=limit
            )
        return Page(items=tuple(read_row(ImportRecord, row) for row in rows), next_cursor=following)

    def _change(self, lease: str, **values: Any) -> bool:
        with self._database.writing() as connection:
            change = update(imports).where(imports.c.lease == lease, PENDING).values(**values)
            return connection.execute(change).rowcount > 0


def _same(tenant: str, connector: str, key: str) -> tuple[Any, ...]:
    return imports.c.tenant == tenant, imports.c.connector == connector, imports.c.key_sha256 == _sha256(key)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
