"""Wait for a database server that starts at the same time as we do."""

from __future__ import annotations

import time

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

log = structlog.get_logger()

PAUSE = 0.2  # seconds between attempts


def wait_for_server(engine: Engine, seconds: float) -> None:
    """Return when it lets us in, or when waiting does not help; the next connection then gets the driver's error."""
    until = time.monotonic() + seconds
    told = False
    while True:
        try:
            with engine.connect():
                return
        except OperationalError as error:
            if _password_required(error) or time.monotonic() >= until:
                return
        if not told:
            log.warning("database.awaited", seconds=seconds)
            told = True
        time.sleep(PAUSE)


def _password_required(error: OperationalError) -> bool:
    """The server is there and refuses us: the password is wrong, or there is no such database."""
    connection = getattr(error.orig, "pgconn", None)
    return bool(connection is not None and connection.used_password)
