"""API keys: made once and shown once, recognized by their hash, in about the same time whether they exist or not."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from shared.domain.error import KeyRefused, ScopeMissing
from shared.domain.tenant import ApiKey, Scope
from shared.ports.keys import KeyStore

PREFIX = "ut"
ID_BYTES = 8
SECRET_BYTES = 32
LONGEST = 200
KEYLESS_TENANT = "local"
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the tenant, and what they may do."""

    tenant: str
    key_id: str | None
    scopes: frozenset[Scope]
    address: str | None = None
    defaults: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def who(self) -> str:
        return self.key_id or "keyless"

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def need(self, scope: Scope) -> None:
        if not self.may(scope):
            raise ScopeMissing(
                f"This key was not made for that: it lacks the scope {scope}.", mend="Use a key that has it."
            )


def make_key(
    tenant: str, scopes: frozenset[Scope], now: datetime, *, name: str = "", expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key as it is kept, and its text, which nobody will see again."""
    key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(
        id=key_id,
        tenant=tenant,
        name=name,
        secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
        scopes=scopes,
        created_at=now,
        expires_at=expires_at,
    )
    return key, f"{PREFIX}_{key_id}_{secret}"


def bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise KeyRefused("This needs a key.", mend="Send the header `Authorization: Bearer ut_…`.")
    return token.strip()


class Gatekeeper:
    """Turns a key's text into its caller. Keyless, everybody is the one local tenant, with every right."""

    def __init__(self, keys: KeyStore, clock: Callable[[], datetime], *, keyless: bool = False) -> None:
        self._keys = keys
        self._clock = clock
        self.keyless = keyless
        if keyless:
            keys.ensure_tenant(KEYLESS_TENANT, "this machine")

    def admit(self, token: str, address: str | None) -> Caller:
        if self.keyless:
            return Caller(tenant=KEYLESS_TENANT, key_id=None, scopes=frozenset(Scope), address=address)
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        plausible = prefix == PREFIX and len(token) <= LONGEST and key_id.isascii() and key_id.isalnum()
        key = self._keys.find(key_id) if plausible else None
        offered = hashlib.sha256(secret.encode(errors="replace")).hexdigest()
        # Also without such a key something is compared, so that time does not tell which ids exist.
        equal = hmac.compare_digest(offered, key.secret_sha256 if key else _NOBODY)
        if key is None or not equal or not key.usable(self._clock()):
            raise KeyRefused("This key is not valid, or not any more.", mend="Ask the operator for a new one.")
        self._keys.used(key.id)
        return Caller(
            tenant=key.tenant, key_id=key.id, scopes=key.scopes, address=address, defaults=key.defaults
        )
