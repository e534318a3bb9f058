"""Opening a database: what addresses mean, and that the migrations make exactly the schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from shared.domain.error import SettingUnusable
from shared.infra.database.engine import open_database
from shared.infra.database.schema import metadata
from tests.contracts.conftest import address

__all__ = ["address"]


def test_the_migrations_make_the_schema(address: str) -> None:
    database = open_database(address)
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()
    open_database(address).close()  # a second time there is nothing to do


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
    with pytest.raises(SettingUnusable) as refused:
        open_database(url)
    assert (refused.value.mend and "SQLite" in refused.value.mend) or "sqlite" in str(refused.value.mend)
