"""Secrets in containers: made once, taken from the operator, and not made where others can reach the service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.container.environment import OBJECTS, environment
from services.container.secret_files import keep_secrets, kept_secrets
from shared.domain.error import InvalidSetting
from shared.infra.secret_encryption import SecretCipher, new_key

LONG = "a-password-of-their-own"


def test_the_first_start_makes_all_of_them_and_the_second_none(tmp_path: Path) -> None:
    assert set(keep_secrets({}, tmp_path)) == set(kept_secrets(tmp_path))
    first = kept_secrets(tmp_path)
    assert keep_secrets({"UNDERTONE_BIND": "127.0.0.1", "REDIS_PASSWORD": ""}, tmp_path) == []
    assert kept_secrets(tmp_path) == first
    assert len(set(first.values())) == len(first)
    SecretCipher([first["SECRETS__KEYS"]])


def test_what_the_operator_gives_is_taken(tmp_path: Path) -> None:
    keep_secrets({}, tmp_path)
    keep_secrets({"REDIS_PASSWORD": LONG}, tmp_path)
    assert kept_secrets(tmp_path)["REDIS_PASSWORD"] == LONG
    assert (tmp_path / "redis" / "password").stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("bad", ["short", "with spaces in between", 'quo"ted-and-long-enough', "with/slash-in-between"])
def test_a_password_that_would_break_an_address_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(InvalidSetting, match="POSTGRES_PASSWORD") as raised:
        keep_secrets({"POSTGRES_PASSWORD": bad}, tmp_path)
    assert bad not in str(raised.value)


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "192.0.2.7", "example.org"])  # noqa: S104
def test_an_open_service_has_secrets_that_its_operator_keeps(tmp_path: Path, bind: str) -> None:
    with pytest.raises(InvalidSetting, match="REDIS_PASSWORD, POSTGRES_PASSWORD, SECRETS__KEYS"):
        keep_secrets({"UNDERTONE_BIND": bind}, tmp_path)
    assert kept_secrets(tmp_path) == {}


def test_those_that_were_made_can_be_kept_and_given_again(tmp_path: Path) -> None:
    keep_secrets({}, tmp_path)
    written = {**kept_secrets(tmp_path), "UNDERTONE_BIND": "::"}
    assert keep_secrets(written, tmp_path) == []


def test_servers_of_their_own_carry_their_secrets_in_their_address(tmp_path: Path) -> None:
    given = {"UNDERTONE_BIND": "::", "DATABASE__URL": "postgresql://x", "REDIS__URL": "rediss://x"}
    assert "POSTGRES_PASSWORD" in keep_secrets({**given, "SECRETS__KEYS": new_key()}, tmp_path)  # for nobody


def test_a_container_gets_the_settings_whose_secrets_it_has(tmp_path: Path) -> None:
    assert environment({}, tmp_path) == {}
    keep_secrets({"REDIS_PASSWORD": LONG}, tmp_path)
    found = environment({}, tmp_path)
    assert found["REDIS__URL"] == f"redis://:{LONG}@redis:6379/0"
    assert re.fullmatch(r"postgresql://undertone:[0-9a-f]{48}@postgres:5432/undertone", found["DATABASE__URL"])
    assert "STORAGE__SECRET_KEY" not in found
    assert environment({"REDIS__URL": "rediss://theirs", "DATABASE__URL": "x", "SECRETS__KEYS": "y"}, tmp_path) == {}


def test_our_object_storage_gets_our_key(tmp_path: Path) -> None:
    keep_secrets({}, tmp_path)
    ours = {"STORAGE__BUCKET": "undertone", "STORAGE__ENDPOINT": OBJECTS}
    assert environment(ours, tmp_path)["STORAGE__SECRET_KEY"] == kept_secrets(tmp_path)["OBJECTS_SECRET_KEY"]
    assert "STORAGE__SECRET_KEY" not in environment({**ours, "STORAGE__ENDPOINT": "https://s3.example"}, tmp_path)
