"""Secrets in containers: generated once or set by the operator, and required for a public service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.container.environment import OBJECTS, environment
from services.container.secret_files import store_secrets, stored_secrets
from shared.domain.error import InvalidSetting
from shared.infra.secret_encryption import SecretCipher, new_key

LONG = "a-password-of-their-own"


def test_the_first_start_generates_all_secrets_and_the_second_none(tmp_path: Path) -> None:
    assert set(store_secrets({}, tmp_path)) == set(stored_secrets(tmp_path))
    first = stored_secrets(tmp_path)
    assert store_secrets({"UNDERTONE_BIND": "127.0.0.1", "REDIS_PASSWORD": ""}, tmp_path) == []
    assert stored_secrets(tmp_path) == first
    assert len(set(first.values())) == len(first)
    SecretCipher([first["SECRETS__KEYS"]])


def test_the_operators_secrets_are_used(tmp_path: Path) -> None:
    store_secrets({}, tmp_path)
    store_secrets({"REDIS_PASSWORD": LONG}, tmp_path)
    assert stored_secrets(tmp_path)["REDIS_PASSWORD"] == LONG
    assert (tmp_path / "redis" / "password").stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("bad", ["short", "with spaces in between", 'quo"ted-and-long-enough', "with/slash-in-between"])
def test_a_password_that_would_break_a_url_is_rejected(tmp_path: Path, bad: str) -> None:
    with pytest.raises(InvalidSetting, match="POSTGRES_PASSWORD") as raised:
        store_secrets({"POSTGRES_PASSWORD": bad}, tmp_path)
    assert bad not in str(raised.value)


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "192.0.2.7", "example.org"])  # noqa: S104
def test_a_public_service_needs_the_operators_own_secrets(tmp_path: Path, bind: str) -> None:
    with pytest.raises(InvalidSetting, match="REDIS_PASSWORD, POSTGRES_PASSWORD, SECRETS__KEYS"):
        store_secrets({"UNDERTONE_BIND": bind}, tmp_path)
    assert stored_secrets(tmp_path) == {}


def test_generated_secrets_can_be_saved_and_set(tmp_path: Path) -> None:
    store_secrets({}, tmp_path)
    written = {**stored_secrets(tmp_path), "UNDERTONE_BIND": "::"}
    assert store_secrets(written, tmp_path) == []


def test_external_servers_need_no_secrets(tmp_path: Path) -> None:
    external = {"UNDERTONE_BIND": "::", "DATABASE__URL": "postgresql://x", "REDIS__URL": "rediss://x"}
    assert "POSTGRES_PASSWORD" in store_secrets(
        {**external, "SECRETS__KEYS": new_key()}, tmp_path
    )  # generated, but unused


def test_a_container_gets_settings_only_for_its_secrets(tmp_path: Path) -> None:
    assert environment({}, tmp_path) == {}
    store_secrets({"REDIS_PASSWORD": LONG}, tmp_path)
    settings = environment({}, tmp_path)
    assert settings["REDIS__URL"] == f"redis://:{LONG}@redis:6379/0"
    assert re.fullmatch(r"postgresql://undertone:[0-9a-f]{48}@postgres:5432/undertone", settings["DATABASE__URL"])
    assert "STORAGE__SECRET_KEY" not in settings
    assert environment({"REDIS__URL": "rediss://theirs", "DATABASE__URL": "x", "SECRETS__KEYS": "y"}, tmp_path) == {}


def test_the_bundled_object_storage_gets_its_key(tmp_path: Path) -> None:
    store_secrets({}, tmp_path)
    bundled = {"STORAGE__BUCKET": "undertone", "STORAGE__ENDPOINT": OBJECTS}
    assert environment(bundled, tmp_path)["STORAGE__SECRET_KEY"] == stored_secrets(tmp_path)["OBJECTS_SECRET_KEY"]
    assert "STORAGE__SECRET_KEY" not in environment({**bundled, "STORAGE__ENDPOINT": "https://s3.example"}, tmp_path)
