"""The time of the database server, on which all machines of a deployment agree although their clocks differ."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

VALID_SECONDS = 60.0  # after which the server is asked again


def utc_now() -> datetime:
    return datetime.now(UTC)


class ServerClock:
    """Asks PostgreSQL when a connection is taken from the pool, and counts with a clock that never jumps."""

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
