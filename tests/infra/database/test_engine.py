"""Tests of opening databases: URLs, settings, and that the migrations create exactly the schema."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.domain.error import DatabaseUnavailable, InvalidSetting
from shared.infra.database.engine import open_database
from shared.infra.database.migrate import NEWEST, configuration
from shared.infra.database.schema_transcripts import FULL_TEXT, metadata
from tests.contracts.conftest import address

__all__ = ["address"]


def _not_full_text(_thing: Any, name: str | None, *_: Any) -> bool:
    """Excludes the full-text index, which is specific to each database and not in the metadata."""
    return not (name or "").startswith(FULL_TEXT)


def test_migrations_create_the_schema(address: str) -> None:
    database = open_database(address)
    with database.reading() as connection:
        options = {"compare_type": True, "include_object": _not_full_text}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    database.close()
    open_database(address).close()  # opening again must not migrate


def test_newest_constant_matches_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(configuration()).get_heads() == [NEWEST]


def test_alembic_is_not_loaded_if_the_schema_is_current(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'undertone.db'}"
    code = (
        f"import sys; from shared.infra.database.engine import *; open_database({url!r}).close(); print(*sys.modules)"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
        for _ in range(2)
    )
    assert "alembic" in first and "alembic" not in second


def test_a_locked_database_is_unavailable_and_a_mistake_is_not(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'undertone.db'}"
    database = open_database(url)
    with database.reading() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=0")  # of the one connection that is open
    with closing(open_database(url)) as other, other.writing(), pytest.raises(DatabaseUnavailable), database.writing():
        pytest.fail("the database is locked")
    with pytest.raises(OperationalError), database.writing() as connection:
        connection.exec_driver_sql("SELECT * FROM missing")
    database.close()


def test_sqlite_is_configured_for_several_processes(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'new folder' / 'undertone.db'}")
    with database.reading() as connection:
        found = [
            connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 1, 30_000]
    database.close()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/name"])
def test_invalid_database_url_is_rejected_with_a_hint(url: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        open_database(url)
    assert (refused.value.hint and "SQLite" in refused.value.hint) or "sqlite" in str(refused.value.hint)
