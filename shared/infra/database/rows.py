"""Reads rows of any table: as domain values, and page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, literal, tuple_

from shared.domain.page import Cursor
from shared.domain.value import Value

V = TypeVar("V", bound=Value)


def read_row(model: type[V], row: RowMapping, **changed: Any) -> V:
    """Builds the value from the columns of the same names; `changed` has the fields that are stored differently."""
    return model.model_validate({name: row[name] for name in model.model_fields if name in row} | changed)


def read_page(
    connection: Connection,
    query: Select[Any],
    at: ColumnElement[Any],
    key: ColumnElement[str],
    *,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[RowMapping], str | None]:
    """Returns the newest rows after the cursor, by the columns `at` and `key`, and the cursor of the next page."""
    limit = max(1, limit)
    if cursor is not None:
        last = Cursor.parse(cursor)
        query = query.where(tuple_(at, key) < tuple_(literal(last.at, at.type), literal(last.id, key.type)))
    rows = connection.execute(query.order_by(at.desc(), key.desc()).limit(limit + 1)).mappings().all()
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], str(Cursor(at=rows[limit - 1][at], id=rows[limit - 1][key]))
