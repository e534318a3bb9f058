"""Other users of the machine cannot read the data, whichever program creates the folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.keys import keys
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.storage_factory import open_blob_store, open_database_for


@pytest.fixture(autouse=True)
def _usual_mask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def readable_by_others(folder: Path) -> set[str]:
    """The files and folders that another user can reach and read."""
    if not stat.S_IMODE(folder.stat().st_mode) & 0o077:
        files = {path for path in folder.iterdir() if path.is_file()}
        return {path.name for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077}
    return {folder.name}


def test_the_first_key_creates_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE__FOLDER", str(tmp_path / "new" / "state"))
    assert CliRunner().invoke(keys, ["create"]).exit_code == 0
    assert readable_by_others(tmp_path / "new" / "state") == set()


def test_an_open_folder_is_repaired_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    for name in ("undertone.db", "undertone.db-wal"):
        (folder / name).touch(mode=0o644)
    storage = StorageSettings(folder=folder)
    database = open_database_for(DatabaseSettings(), storage)
    open_blob_store(storage, database).put("ours", "a/b", [b"x"])
    with database.writing():
        assert readable_by_others(folder) == set()
    database.close()


def test_an_existing_folder_of_an_explicit_database_keeps_its_permissions(tmp_path: Path) -> None:
    """It may be any folder, such as the working directory."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    database = open_database_for(DatabaseSettings(url=f"sqlite:///{folder / 'u.db'}"), StorageSettings())
    database.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "u.db").stat().st_mode) == 0o600
