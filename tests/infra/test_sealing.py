"""Tests of secret encryption."""

from __future__ import annotations

import pytest

from shared.domain.error import InvalidSetting
from shared.infra.secret_encryption import SecretCipher, SecretSettings, new_key


def test_secret_is_decrypted_only_in_its_context() -> None:
    cipher = SecretCipher([new_key()])
    ciphertext = cipher.encrypt("whsec_x", "endpoint-1")
    assert "whsec_x" not in ciphertext
    assert cipher.encrypt("whsec_x", "endpoint-1") != ciphertext
    assert cipher.decrypt(ciphertext, "endpoint-1") == "whsec_x"
    with pytest.raises(InvalidSetting):
        cipher.decrypt(ciphertext, "endpoint-2")


def test_new_key_encrypts_and_old_key_still_decrypts() -> None:
    old, new = new_key(), new_key()
    ciphertext = SecretCipher([old]).encrypt("x", "c")
    both = SecretCipher([new, old])
    assert both.decrypt(ciphertext, "c") == "x"
    assert SecretCipher([new]).decrypt(both.encrypt("x", "c"), "c") == "x"
    with pytest.raises(InvalidSetting, match="not in SECRETS__KEYS"):
        SecretCipher([new]).decrypt(ciphertext, "c")


@pytest.mark.parametrize("ciphertext", ["", "nothing", "abcdefgh.!!!", "abcdefgh.AAAA", "abcdefgh.ÄÄÄÄ"])
def test_invalid_ciphertext_is_rejected(ciphertext: str) -> None:
    with pytest.raises(InvalidSetting):
        SecretCipher([new_key()]).decrypt(ciphertext, "c")


def test_keys_are_read_from_the_environment_and_hidden_in_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [new_key(), new_key()]
    monkeypatch.setenv("SECRETS__KEYS", f" {keys[0]}, {keys[1]} ")
    settings = SecretSettings()
    assert SecretCipher.from_settings(settings).decrypt(SecretCipher(keys[:1]).encrypt("x", "c"), "c") == "x"
    assert keys[0] not in repr(settings) + str(settings.model_dump())


@pytest.mark.parametrize("keys", ["", " , ", "c2hvcnQ=", "no base64!", "ÄÄÄÄ"])
def test_invalid_key_is_rejected_with_a_hint(keys: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        SecretCipher.from_settings(SecretSettings(keys=keys))
    assert "SECRETS__KEYS" in str(refused.value.hint)
