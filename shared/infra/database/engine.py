"""Opens a database by URL (SQLite in WAL mode, or PostgreSQL) and migrates its schema."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Update, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, Pool

from shared.domain.error import InvalidSetting
from shared.infra.database.migrate import migrate
from shared.infra.database.server_clock import ServerClock, utc_now
from shared.infra.database.unavailable import raising_database_unavailable
from shared.infra.database.waiting import wait_for_server
from shared.infra.private_files import FILE_MODE, make_private_file, restrict

Clock = Callable[[], datetime]
BUSY_MS = 30_000
RETRY_SECONDS = 0.01
CHECKPOINT_BUSY_MS = 200  # a checkpoint that waits for readers blocks writers
UNPOOLED_SECONDS = 5  # connection timeout in seconds of an unpooled connection
WRITES = "undertone_writes"
ALONE = "undertone_alone"


class Database:
    """Opens read and write transactions; SQLite needs the kind before the first statement."""

    def __init__(self, engine: Engine, clock: Clock | None = None) -> None:
        self._engine = engine
        self.clock = clock or _clock_of(engine)

    @property
    def now(self) -> datetime:
        return self.clock()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with raising_database_unavailable(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        writable = self._engine.execution_options(**{WRITES: True})
        with raising_database_unavailable(), writable.begin() as connection:
            yield connection

    def execute_alone(self, change: Update) -> int:
        """Runs one statement as a transaction of its own, and returns the number of changed rows.

        The driver commits it in the same call, in which it does not hold the interpreter lock. A thread that must wait
        for that lock therefore never keeps the database locked.
        """
        options: dict[str, Any] = {ALONE: True}
        if self._engine.dialect.name == "postgresql":
            options["isolation_level"] = "AUTOCOMMIT"
        alone = self._engine.execution_options(**options)
        with raising_database_unavailable(), alone.begin() as connection:
            return connection.execute(change).rowcount

    @contextmanager
    def writing_exclusively(self, what: str) -> Iterator[Connection]:
        """Opens a write transaction that excludes other transactions with the same name."""
        with self.writing() as connection:
            acquire_named_lock(connection, what)
            yield connection

    def purge_deleted(self) -> bool:
        """Removes deleted rows from the files of SQLite; returns False while another transaction needs them.

        `secure_delete` writes zeros over deleted rows, but only in new versions of their pages, which are in the log:
        until a checkpoint the database file has the old versions, and until it is truncated so has the log.
        """
        if self._engine.dialect.name != "sqlite":
            return True  # PostgreSQL does it itself (autovacuum)
        with self._engine.execution_options(**{ALONE: True}).connect() as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={CHECKPOINT_BUSY_MS}")
            try:
                blocked: int = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_MS}")
        return not blocked

    def ask(self) -> None:
        """Raises DatabaseUnavailable if the database does not respond."""
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        self._engine.dispose()


def acquire_named_lock(connection: Connection, what: str) -> None:
    # SQLite already runs only one write transaction at a time.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": zlib.crc32(what.encode())})


def open_database(url: str, *, clock: Clock | None = None, wait_seconds: float = 0.0) -> Database:
    """Opens the database and migrates it to the newest schema; concurrent migrations are serialised.

    Waits up to `wait_seconds` for a server that does not respond yet.
    """
    engine = _engine(url)
    if wait_seconds and engine.dialect.name == "postgresql":
        wait_for_server(engine, wait_seconds)
    database = Database(engine, clock)
    with database.writing_exclusively("migrations") as connection:
        migrate(connection)
    return database


def unpooled_database(url: str) -> Database:
    """Opens a database without pool or migration, for processes that fork and must not share connections."""
    return Database(_engine(url, poolclass=NullPool, seconds=UNPOOLED_SECONDS))


def _clock_of(engine: Engine) -> Clock:
    if engine.dialect.name != "postgresql":
        return utc_now
    clock = ServerClock()
    clock.attach(engine)
    return clock


def _engine(url: str, *, poolclass: type[Pool] | None = None, seconds: int | None = None) -> Engine:
    # Parameters are hidden because error texts are logged and rows contain names.
    try:
        address = make_url(url)
    except ArgumentError:
        raise InvalidSetting(
            "The database URL is not valid.",
            hint="Use sqlite:///path/to/file or postgresql://user:password@host/database.",
        ) from None
    match address.get_backend_name():
        case "sqlite":
            if address.database:
                make_private_file(Path(address.database))
                for log in ("-wal", "-shm"):  # SQLite creates them with the permissions of the database file
                    restrict(Path(address.database + log), FILE_MODE)
            waits = {"timeout": seconds or BUSY_MS / 1000}
            return _sqlite(create_engine(address, hide_parameters=True, connect_args=waits, poolclass=poolclass))
        case "postgresql":
            driver = address.set(drivername="postgresql+psycopg")
            waits = {"connect_timeout": seconds} if seconds else {}
            pre_ping = poolclass is None
            return create_engine(
                driver, hide_parameters=True, pool_pre_ping=pre_ping, connect_args=waits, poolclass=poolclass
            )
        case other:
            raise InvalidSetting(f"{other} databases are not supported.", hint="Use SQLite or PostgreSQL.")


def _start_log(connection: sqlite3.Connection) -> None:
    """Starts write-ahead logging; SQLite itself does not wait while another process does so in a new file."""
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return


def _sqlite(engine: Engine) -> Engine:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver starts its own transactions too late and excludes DDL
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        _start_log(connection)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(ALONE, False):
            return
        # A read transaction that starts writing fails if another one wrote in the meantime, so lock for writing first.
        writes = options.get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
