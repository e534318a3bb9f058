"""A database server that starts at the same time as we do."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from psycopg import OperationalError as DriverError
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from shared.infra.database.engine import open_database
from shared.infra.database.waiting import wait_for_server

AWAY = "postgresql://undertone:a-password@127.0.0.1:9/undertone"


@dataclass
class Server:
    """An engine whose first connections fail, as those to a server that starts."""

    failures: int
    error: DriverError = field(default_factory=lambda: DriverError("starting up"))
    asked: int = 0

    def engine(self) -> Engine:
        made = create_engine("sqlite://", poolclass=NullPool)

        @event.listens_for(made, "do_connect")
        def _connect(*_: object) -> None:
            self.asked += 1
            if self.asked <= self.failures:
                raise OperationalError("connect", {}, self.error)

        return made


@dataclass
class Refused:
    used_password: bool = True


class Refusal(DriverError):
    """As the driver raises it after the server has asked for a password."""

    pgconn = Refused()  # type: ignore[assignment]  # the one attribute of it that is read


def test_it_returns_as_soon_as_the_server_answers(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(failures=2)
    wait_for_server(server.engine(), 60)
    assert server.asked == 3
    assert capsys.readouterr().out.count("database.awaited") == 1


def test_it_does_not_wait_for_longer_than_it_may() -> None:
    server = Server(failures=1000)
    wait_for_server(server.engine(), 0.3)
    assert 1 < server.asked < 10


def test_a_server_that_refuses_a_password_is_not_awaited() -> None:
    server = Server(failures=1000, error=Refusal("password authentication failed"))
    wait_for_server(server.engine(), 60)
    assert server.asked == 1


def test_the_error_is_the_drivers_own() -> None:
    with pytest.raises(OperationalError, match="refused"):
        open_database(AWAY, wait_seconds=0.1)
