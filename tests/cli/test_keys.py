"""`undertone keys` on a new database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from shared.domain.error import InvalidApiKey, NotFound
from shared.domain.tenant import ApiKey, Scope
from shared.infra.database.engine import open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.server_clock import utc_now
from shared.infra.key_verifier import ApiKeyVerifier
from shared.infra.secret_encryption import SecretCipher

runner = CliRunner()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STORAGE__FOLDER", str(tmp_path))
    monkeypatch.setenv("DATABASE__URL", "")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(*words: str) -> str:
    result = runner.invoke(app, ["keys", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def admitted(state: Path, text: str) -> ApiKey:
    database = open_database(f"sqlite:///{state / 'undertone.db'}")
    try:
        return ApiKeyVerifier(SqlKeyStore(database), utc_now).verify(text)
    finally:
        database.close()


def test_a_key_is_created_listed_and_revoked(state: Path) -> None:
    text = run("create", "--name", "laptop", "--scope", "transcripts:read", "--days", "3").strip()
    key = admitted(state, text)
    assert (key.tenant, key.name, key.scopes) == ("default", "laptop", frozenset({Scope.TRANSCRIPTS_READ}))
    (listed,) = json.loads(run("list", "--json"))
    assert (listed["id"], "secret_sha256" in listed) == (key.id, False)
    assert text.split("_", 2)[2] not in run("list", "--json") + run("list")
    assert "valid" in run("list")
    run("revoke", key.id)
    assert "revoked" in run("list")
    with pytest.raises(InvalidApiKey):
        admitted(state, text)


def test_a_key_has_all_scopes_except_admin_by_default(state: Path) -> None:
    assert admitted(state, run("create").strip()).scopes == set(Scope) - {Scope.ADMIN}


def test_keys_belong_to_tenants() -> None:
    key_id = run("create", "--tenant", "acme").split("_")[1]
    assert json.loads(run("list", "--json")) == []
    result = runner.invoke(app, ["keys", "revoke", key_id])
    assert isinstance(result.exception, NotFound)
    run("revoke", key_id, "--tenant", "acme")


def test_an_encryption_key_is_printed() -> None:
    assert SecretCipher([run("seal").strip()])
