"""The text of a key, `ut_<id>_<secret>`: made once, shown once, and afterwards known only by its hash."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue, SecretStr

from shared.domain.tenant import ApiKey, Scope

_KEY = re.compile(r"ut_([0-9A-Za-z]{1,32})_([0-9A-Za-z_-]{20,128})")
# Compared against where there is no such key, so that both answers take the same time.
_NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


class Presented(NamedTuple):
    key_id: str
    secret: SecretStr


def mint_key(
    tenant: str,
    scopes: Iterable[Scope],
    *,
    now: datetime,
    name: str = "",
    defaults: Mapping[str, JsonValue] | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, SecretStr]:
    """A new key as we keep it, and the text that its owner sees this once."""
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    key = ApiKey(
        id=key_id,
        tenant=tenant,
        name=name,
        secret_sha256=_hashed(secret),
        scopes=frozenset(scopes),
        defaults=defaults or {},
        created_at=now,
        expires_at=expires_at,
    )
    return key, SecretStr(f"ut_{key_id}_{secret}")


def read_key(text: str) -> Presented | None:
    """The two parts of what was presented, or None where it has not the shape of a key."""
    found = _KEY.fullmatch(text)
    return Presented(found[1], SecretStr(found[2])) if found else None


def opens(key: ApiKey | None, secret: SecretStr) -> bool:
    """Whether this is the key's secret; no key takes as long to say no."""
    known = _NOBODY if key is None else key.secret_sha256
    same = hmac.compare_digest(_hashed(secret.get_secret_value()), known)
    return same and key is not None


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
