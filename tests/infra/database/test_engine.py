"""Opening a database: what addresses mean, and that the migrations make exactly the schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from shared.domain.error import InvalidSetting
from shared.infra.database.engine import open_database
from shared.infra.database.migrate import NEWEST, configuration
from shared.infra.database.schema_transcripts import FULL_TEXT, metadata
from tests.contracts.conftest import address

__all__ = ["address"]


def _not_full_text(_thing: Any, name: str | None, *_: Any) -> bool:
    """The index of words is each database's own; no metadata can describe it."""
    return not (name or "").startswith(FULL_TEXT)


def test_the_migrations_make_the_schema(address: str) -> None:
    database = open_database(address)
    with database.reading() as connection:
        options = {"compare_type": True, "include_object": _not_full_text}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    database.close()
    open_database(address).close()  # a second time there is nothing to do


def test_the_newest_migration_is_the_one_that_a_start_looks_for() -> None:
    assert ScriptDirectory.from_config(configuration()).get_heads() == [NEWEST]


def test_a_start_with_the_newest_schema_does_not_load_what_migrates(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'undertone.db'}"
    code = (
        f"import sys; from shared.infra.database.engine import *; open_database({url!r}).close(); print(*sys.modules)"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
        for _ in range(2)
    )
    assert "alembic" in first and "alembic" not in second


def test_sqlite_is_set_up_for_several_processes(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'new folder' / 'undertone.db'}")
    with database.reading() as connection:
        found = [
            connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 1, 30_000]
    database.close()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/name"])
def test_an_address_that_means_nothing_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        open_database(url)
    assert (refused.value.hint and "SQLite" in refused.value.hint) or "sqlite" in str(refused.value.hint)
