"""Secrets in the database: readable with the key and in their place, unreadable otherwise."""

from __future__ import annotations

import pytest

from shared.domain.error import InvalidSetting
from shared.infra.secret_encryption import SecretCipher, SecretSettings, new_key


def test_a_sealed_secret_opens_in_its_place_only() -> None:
    cipher = SecretCipher([new_key()])
    sealed = cipher.encrypt("whsec_x", "endpoint-1")
    assert "whsec_x" not in sealed
    assert cipher.encrypt("whsec_x", "endpoint-1") != sealed
    assert cipher.decrypt(sealed, "endpoint-1") == "whsec_x"
    with pytest.raises(InvalidSetting):
        cipher.decrypt(sealed, "endpoint-2")


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    old, new = new_key(), new_key()
    sealed = SecretCipher([old]).encrypt("x", "c")
    both = SecretCipher([new, old])
    assert both.decrypt(sealed, "c") == "x"
    assert SecretCipher([new]).decrypt(both.encrypt("x", "c"), "c") == "x"
    with pytest.raises(InvalidSetting, match="not here"):
        SecretCipher([new]).decrypt(sealed, "c")


@pytest.mark.parametrize("sealed", ["", "nothing", "abcdefgh.!!!", "abcdefgh.AAAA"])
def test_rubbish_does_not_open(sealed: str) -> None:
    with pytest.raises(InvalidSetting):
        SecretCipher([new_key()]).decrypt(sealed, "c")


def test_keys_come_from_the_environment_and_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [new_key(), new_key()]
    monkeypatch.setenv("SECRETS__KEYS", f" {keys[0]}, {keys[1]} ")
    settings = SecretSettings()
    assert SecretCipher.from_settings(settings).decrypt(SecretCipher(keys[:1]).encrypt("x", "c"), "c") == "x"
    assert keys[0] not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize("keys", ["", " , ", "c2hvcnQ=", "no base64!"])
def test_a_key_that_is_none_is_refused_with_what_helps(keys: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        SecretCipher.from_settings(SecretSettings(keys=keys))
    assert "SECRETS__KEYS" in str(refused.value.hint)
