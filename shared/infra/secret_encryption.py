"""Secrets that we must be able to read again: encrypted with a key from the environment, bound to what they are for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.error import InvalidSetting

KEY_BYTES = 32
NONCE_BYTES = 12
WEBHOOK_SECRET_BYTES = 24  # needs no padding in base64, which some readers of signatures stumble over
HINT = "`undertone keys seal` prints a new one; put it in SECRETS__KEYS and keep the old ones behind it."


class SecretSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SECRETS__", frozen=True)

    keys: SecretStr = SecretStr("")
    """Keys that encrypt secrets in the database, 32 bytes as base64, with commas between: the first one encrypts,
    all of them decrypt."""


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def new_webhook_secret() -> str:
    """Shown once, when an endpoint is made or its secret is rotated."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(WEBHOOK_SECRET_BYTES)).decode()


class SecretCipher:
    """AES-GCM. The context, such as an endpoint's id, is part of the seal: moved to another row it does not open."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise InvalidSetting("There is no key to encrypt secrets with.", hint=HINT)
        self._ciphers = {}
        for key in keys:
            raw = _decoded(key)
            self._ciphers[hashlib.sha256(raw).hexdigest()[:8]] = AESGCM(raw)
        self._newest = next(iter(self._ciphers))

    @classmethod
    def from_settings(cls, settings: SecretSettings) -> SecretCipher:
        keys = settings.keys.get_secret_value().split(",")
        return cls([key.strip() for key in keys if key.strip()])

    def encrypt(self, secret: str, context: str) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, secret.encode(), context.encode())
        return f"{self._newest}.{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, sealed: str, context: str) -> str:
        name, _, content = sealed.partition(".")
        try:
            raw = base64.b64decode(content, validate=True)
            return self._ciphers[name].decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode()).decode()
        except (KeyError, InvalidTag, binascii.Error):
            raise InvalidSetting(
                "A secret in the database was encrypted with a key that is not here.",
                hint="Put the old key behind the new one in SECRETS__KEYS.",
            ) from None


def _decoded(key: str) -> bytes:
    try:
        raw = base64.b64decode(key, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise InvalidSetting(f"A key in SECRETS__KEYS is not {KEY_BYTES} bytes as base64.", hint=HINT)
    return raw
