"""The time of the database server, which all machines of a deployment use, because their own clocks may differ."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

VALID_SECONDS = 60.0  # after this, the server's time is read again


def utc_now() -> datetime:
    return datetime.now(UTC)


class ServerClock:
    """Reads PostgreSQL's time when a connection is taken from the pool, and adds the time of a monotonic clock."""

    def __init__(self) -> None:
        self._answer: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        if self._answer is None:
            return utc_now()
        said, at = self._answer
        return said + timedelta(seconds=time.monotonic() - at)

    def attach(self, engine: Engine) -> None:
        @event.listens_for(engine, "checkout")
        def _taken(connection: Any, _record: Any, _proxy: Any) -> None:
            if self._answer is not None and time.monotonic() - self._answer[1] < VALID_SECONDS:
                return
            try:
                self.ask(connection)
            except engine.dialect.loaded_dbapi.OperationalError as error:
                raise DisconnectionError from error  # SQLAlchemy tries a new connection

    def ask(self, connection: Any) -> None:
        said = connection.execute("SELECT clock_timestamp()").fetchone()[0]
        self._answer = (said.astimezone(UTC), time.monotonic())
        connection.rollback()
