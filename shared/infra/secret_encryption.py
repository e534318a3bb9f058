"""Encrypts secrets at rest with a key from the environment, bound to their context."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.error import EncryptionKeyMissing, InvalidSetting

KEY_BYTES = 32
NONCE_BYTES = 12
WEBHOOK_SECRET_BYTES = 24  # needs no base64 padding, which some signature libraries reject
SETTING = "SECRETS__KEYS"


class SecretSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SECRETS__", frozen=True)

    keys: SecretStr = SecretStr("")
    """Comma-separated keys for secrets in the database, each 32 bytes as base64: the first encrypts, all decrypt."""


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def new_webhook_secret() -> str:
    """Creates a webhook secret; it is shown once, when an endpoint is created or its secret is rotated."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(WEBHOOK_SECRET_BYTES)).decode()


class SecretCipher:
    """Encrypts with AES-GCM; the context, such as an endpoint's id, is authenticated, so ciphertext cannot be moved."""

    def __init__(self, keys: Sequence[str], setting: str = SETTING) -> None:
        self._setting = setting
        if not keys:
            raise InvalidSetting(f"{setting} contains no key.", hint=_hint(setting))
        self._ciphers = {}
        for key in keys:
            raw = _decoded(key, setting)
            self._ciphers[hashlib.sha256(raw).hexdigest()[:8]] = AESGCM(raw)
        self._newest = next(iter(self._ciphers))

    @classmethod
    def from_settings(cls, settings: SecretSettings) -> SecretCipher:
        return cls.from_text(settings.keys.get_secret_value())

    @classmethod
    def from_text(cls, keys: str, setting: str = SETTING) -> SecretCipher:
        """Read comma-separated keys; `setting` is named in error messages."""
        return cls([key.strip() for key in keys.split(",") if key.strip()], setting)

    def encrypt(self, secret: str, context: str) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        ciphertext = self._ciphers[self._newest].encrypt(nonce, secret.encode(), context.encode())
        return f"{self._newest}.{base64.b64encode(nonce + ciphertext).decode()}"

    def decrypt(self, ciphertext: str, context: str) -> str:
        name, _, content = ciphertext.partition(".")
        try:
            raw = base64.b64decode(content, validate=True)
            return self._ciphers[name].decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode()).decode()
        except (KeyError, InvalidTag, ValueError):
            raise EncryptionKeyMissing(
                f"A secret in the database was encrypted with a key that is not in {self._setting}.",
                hint=f"Add the old key to {self._setting}, after the new one.",
            ) from None

    def uses_newest_key(self, ciphertext: str) -> bool:
        return ciphertext.partition(".")[0] == self._newest


def _hint(setting: str) -> str:
    return f"`undertone keys seal` prints a new key; put it first in {setting} and keep the old keys after it."


def _decoded(key: str, setting: str) -> bytes:
    try:
        raw = base64.b64decode(key, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise InvalidSetting(f"A key in {setting} is not {KEY_BYTES} bytes as base64.", hint=_hint(setting))
    return raw
