"""API keys: made once, shown once, kept as a hash; whoever shows one is let in as its tenant."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from datetime import datetime

from shared.domain.error import InsufficientScope, InvalidApiKey
from shared.domain.tenant import ApiKey, Scope
from shared.ports.keys import KeyStore

PREFIX = "ut"
SECRET_BYTES = 32  # so much chance needs no slow hash
UNMATCHABLE_HASH = hashlib.sha256(b"no key has this hash").hexdigest()


def make_key(
    tenant: str, scopes: Collection[Scope], now: datetime, *, name: str = "", expires_at: datetime | None = None
) -> tuple[str, ApiKey]:
    """The key as its owner sees it, this once, and what we keep of it."""
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
    """Lets keys in; what it refuses it refuses in the same words and the same time, known or not."""

    def __init__(self, store: KeyStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def verify(self, shown: str) -> ApiKey:
        prefix, key_id, secret = (*shown.split("_", 2), "", "")[:3]
        found = self._store.find(key_id) if prefix == PREFIX and key_id else None
        same = hmac.compare_digest(_hash(secret), found.secret_sha256 if found else UNMATCHABLE_HASH)
        if found is None or not same or not found.usable(self._clock()):
            raise InvalidApiKey(
                "That key is not valid.", hint="Use one from `undertone keys create`; `undertone keys list` shows them."
            )
        self._store.record_use(found.id)
        return found


def require_scope(key: ApiKey, scope: Scope) -> None:
    if not key.has_scope(scope):
        raise InsufficientScope(
            f"This needs a key with the scope {scope}.", hint="Make one with `undertone keys create`."
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
