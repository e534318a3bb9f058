"""Creates API keys, which are shown once and stored as a hash, and verifies them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from datetime import datetime

from shared.domain.error import InvalidApiKey
from shared.domain.tenant import ApiKey, Scope
from shared.infra.database.keys import SqlKeyStore

PREFIX = "ut"
SECRET_BYTES = 32  # enough entropy that a fast hash is safe
UNMATCHABLE_HASH = hashlib.sha256(b"no key has this hash").hexdigest()


def make_key(
    tenant: str, scopes: Collection[Scope], now: datetime, *, name: str = "", expires_at: datetime | None = None
) -> tuple[str, ApiKey]:
    """Returns a new key's text, which is shown only once, and the record to store."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(
        id=secrets.token_hex(8),
        tenant=tenant,
        name=name,
        secret_sha256=_hash(secret),
        scopes=frozenset(scopes),
        created_at=now,
        expires_at=expires_at,
    )
    return f"{PREFIX}_{key.id}_{secret}", key


class ApiKeyVerifier:
    """Verifies API keys; unknown and wrong keys fail with the same message in constant time."""

    def __init__(self, store: SqlKeyStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def verify(self, text: str) -> ApiKey:
        prefix, key_id, secret = (*text.split("_", 2), "", "")[:3]
        found = self._store.find(key_id) if prefix == PREFIX and key_id else None
        same = hmac.compare_digest(_hash(secret), found.secret_sha256 if found else UNMATCHABLE_HASH)
        if found is None or not same or not found.usable(self._clock()):
            raise InvalidApiKey(
                "The API key is not valid.",
                hint="Create a key with `undertone keys create`; `undertone keys list` lists the keys.",
            )
        self._store.record_use(found.id)
        return found


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
