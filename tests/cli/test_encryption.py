"""`undertone encryption` on a deployment with files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.main import app
from shared.domain.error import EncryptionKeyMissing, InvalidSetting, NotFound
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.secret_encryption import new_key
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.storage_factory import open_blob_store, open_database_for

SETTING = "STORAGE__ENCRYPTION_KEYS"
KEY = "jobs/j/transcript.json"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("STORAGE__FOLDER", str(tmp_path))
    monkeypatch.setenv("STORAGE__RESERVE_MB", "0")
    monkeypatch.setenv("DATABASE__URL", "")
    opened = open_database_for(DatabaseSettings(), StorageSettings())
    SqlKeyStore(opened).ensure_tenant("ours")
    yield opened
    opened.close()


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["encryption", *words])


def test_the_master_key_is_rotated(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = new_key(), new_key()
    monkeypatch.setenv(SETTING, old)
    open_blob_store(StorageSettings(), database).put("ours", KEY, [b"words"])
    monkeypatch.setenv(SETTING, f"{new},{old}")
    rotated = run("rotate")
    assert rotated.exit_code == 0 and "1 keys encrypted" in rotated.stderr
    assert "1 skipped" in run("rotate", "--new-keys").stderr, "the job of this file does not exist yet"
    monkeypatch.setenv(SETTING, new)
    assert b"".join(open_blob_store(StorageSettings(), database).read("ours", KEY)) == b"words"


def test_the_keys_of_a_tenant_are_destroyed_after_a_confirmation(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, new_key())
    blobs = open_blob_store(StorageSettings(), database)
    blobs.put("ours", KEY, [b"words"])
    assert run("destroy", "ours").exit_code == 1
    assert b"".join(blobs.read("ours", KEY)) == b"words"
    assert run("destroy", "ours", "--yes").exit_code == 0
    with pytest.raises(EncryptionKeyMissing):
        blobs.read("ours", KEY)
    assert [entry.action for entry in SqlAuditLog(database).list("ours").items] == ["encryption.keys_destroyed"]
    assert isinstance(run("destroy", "ours", "--yes").exception, NotFound)


def test_without_a_master_key_there_is_nothing_to_rotate(database: Database) -> None:
    assert isinstance(run("rotate").exception, InvalidSetting)
