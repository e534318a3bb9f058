"""Maps a driver's errors of a database that is unreachable, locked or full to DatabaseUnavailable."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from shared.domain.error import DatabaseUnavailable

log = structlog.get_logger()

# Other errors of SQLite with the same class are mistakes in a statement.
SQLITE_OUTAGES = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
)


@contextmanager
def raising_database_unavailable() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, NoConnectionFree) as error:
        if not _is_outage(error):
            raise
        log.warning("database.unavailable", error=_name(error))  # without its text, which could contain an address
        raise DatabaseUnavailable(
            "The database cannot be used at the moment.", hint="Try again later; the operator's log has the cause."
        ) from error


def _is_outage(error: DBAPIError | NoConnectionFree) -> bool:
    if not isinstance(error, DBAPIError):
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return (code & 0xFF) in SQLITE_OUTAGES
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _name(error: DBAPIError | NoConnectionFree) -> str:
    cause = getattr(error, "orig", error)
    return getattr(cause, "sqlite_errorname", None) or type(cause).__name__
