"""Secrets in the database: readable with the key and in their place, unreadable otherwise."""

from __future__ import annotations

import pytest

from shared.domain.error import SettingUnusable
from shared.infra.sealing import Sealer, SecretSettings, new_key


def test_a_sealed_secret_opens_in_its_place_only() -> None:
    sealer = Sealer([new_key()])
    sealed = sealer.seal("whsec_x", "endpoint-1")
    assert "whsec_x" not in sealed
    assert sealer.seal("whsec_x", "endpoint-1") != sealed
    assert sealer.open(sealed, "endpoint-1") == "whsec_x"
    with pytest.raises(SettingUnusable):
        sealer.open(sealed, "endpoint-2")


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    old, new = new_key(), new_key()
    sealed = Sealer([old]).seal("x", "c")
    both = Sealer([new, old])
    assert both.open(sealed, "c") == "x"
    assert Sealer([new]).open(both.seal("x", "c"), "c") == "x"
    with pytest.raises(SettingUnusable, match="not here"):
        Sealer([new]).open(sealed, "c")


@pytest.mark.parametrize("sealed", ["", "nothing", "abcdefgh.!!!", "abcdefgh.AAAA"])
def test_rubbish_does_not_open(sealed: str) -> None:
    with pytest.raises(SettingUnusable):
        Sealer([new_key()]).open(sealed, "c")


def test_keys_come_from_the_environment_and_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [new_key(), new_key()]
    monkeypatch.setenv("SECRETS__KEYS", f" {keys[0]}, {keys[1]} ")
    settings = SecretSettings()
    assert Sealer.of(settings).open(Sealer(keys[:1]).seal("x", "c"), "c") == "x"
    assert keys[0] not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize("keys", ["", " , ", "c2hvcnQ=", "no base64!"])
def test_a_key_that_is_none_is_refused_with_what_helps(keys: str) -> None:
    with pytest.raises(SettingUnusable) as refused:
        Sealer.of(SecretSettings(keys=keys))
    assert "SECRETS__KEYS" in str(refused.value.mend)
