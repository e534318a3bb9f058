"""Waits for a database server that is still starting."""

from __future__ import annotations

import time

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

log = structlog.get_logger()

PAUSE = 0.2  # seconds between attempts


def wait_for_server(engine: Engine, seconds: float) -> None:
    """Returns when a connection succeeds, or when waiting is useless; the next connection then raises the error."""
    until = time.monotonic() + seconds
    logged = False
    while True:
        try:
            with engine.connect():
                return
        except OperationalError as error:
            if _password_required(error) or time.monotonic() >= until:
                return
        if not logged:
            log.warning("database.awaited", seconds=seconds)
            logged = True
        time.sleep(PAUSE)


def _password_required(error: OperationalError) -> bool:
    """True if the server responded with a refusal: the password is wrong, or the database does not exist."""
    connection = getattr(error.orig, "pgconn", None)
    return bool(connection is not None and connection.used_password)
