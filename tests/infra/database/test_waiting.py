"""Tests of waiting for a database server that is still starting."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from psycopg import OperationalError as DriverError
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from shared.domain.error import DatabaseUnavailable
from shared.infra.database.engine import open_database
from shared.infra.database.waiting import wait_for_server

UNREACHABLE = "postgresql://undertone:a-password@127.0.0.1:9/undertone"


@dataclass
class Server:
    """An engine whose first connections fail, like those to a starting server."""

    failures: int
    error: DriverError = field(default_factory=lambda: DriverError("starting up"))
    connections: int = 0

    def engine(self) -> Engine:
        made = create_engine("sqlite://", poolclass=NullPool)

        @event.listens_for(made, "do_connect")
        def _connect(*_: object) -> None:
            self.connections += 1
            if self.connections <= self.failures:
                raise OperationalError("connect", {}, self.error)

        return made


@dataclass
class Refused:
    used_password: bool = True


class Refusal(DriverError):
    """The driver's error after the server has requested a password."""

    pgconn = Refused()  # type: ignore[assignment]  # the only attribute that is read


def test_wait_returns_when_the_server_responds(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(failures=2)
    wait_for_server(server.engine(), 60)
    assert server.connections == 3
    assert capsys.readouterr().out.count("database.awaited") == 1


def test_wait_ends_after_the_timeout() -> None:
    server = Server(failures=1000)
    wait_for_server(server.engine(), 0.3)
    assert 1 < server.connections < 10


def test_wait_ends_when_the_server_rejects_the_password() -> None:
    server = Server(failures=1000, error=Refusal("password authentication failed"))
    wait_for_server(server.engine(), 60)
    assert server.connections == 1


def test_an_unreachable_database_is_an_error_after_waiting() -> None:
    with pytest.raises(DatabaseUnavailable):
        open_database(UNREACHABLE, wait_seconds=0.1)
