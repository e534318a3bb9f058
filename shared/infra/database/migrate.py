"""Migrates a database to the newest schema with the migrations of this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
NEWEST = "0008"  # a test compares it with the migrations
VERSIONS = "alembic_version"


def migrate(connection: Connection) -> None:
    """Migrates in the caller's transaction, so that it succeeds completely or changes nothing."""
    if inspect(connection).has_table(VERSIONS):
        found = connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalars().all()  # noqa: S608 - a constant
        if found == [NEWEST]:
            return
    from alembic import command  # noqa: PLC0415 - costs 10 MB and 0.1 s, and most starts do not need it

    command.upgrade(configuration(connection), "head")


def configuration(connection: Connection | None = None) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
