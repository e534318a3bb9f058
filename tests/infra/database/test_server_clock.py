"""Deadlines on PostgreSQL use the server's time, so the leases of a worker with a wrong clock are correct."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.infra.database.server_clock import ServerClock

THEN = datetime(2020, 1, 1, tzinfo=UTC)


class ScriptedConnection:
    """A connection of psycopg to a server whose clock is years behind."""

    def execute(self, _statement: str) -> ScriptedConnection:
        return self

    def fetchone(self) -> tuple[Any]:
        return (THEN.astimezone(),)

    def rollback(self) -> None:
        """Nothing to undo."""


def test_the_time_is_that_of_the_server_and_advances() -> None:
    clock = ServerClock()
    clock.ask(ScriptedConnection())
    first, second = clock(), clock()
    assert THEN <= first < second < THEN + timedelta(minutes=1)
    assert first.tzinfo is UTC


def test_before_the_first_connection_it_is_the_time_of_the_machine() -> None:
    assert abs(ServerClock()() - datetime.now(UTC)) < timedelta(minutes=1)
