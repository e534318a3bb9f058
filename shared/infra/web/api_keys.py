"""Authenticates callers by API key; in keyless mode every caller is the local tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from shared.domain.error import InsufficientScope, InvalidApiKey
from shared.domain.tenant import Scope
from shared.infra.keys import ApiKeyVerifier

MAX_LENGTH = 300
KEYLESS_TENANT = "local"


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller: tenant, key, scopes and address."""

    tenant: str
    key_id: str | None
    scopes: frozenset[Scope]
    address: str | None = None
    defaults: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.key_id or "keyless"

    def has_scope(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require_scope(self, *any_of: Scope) -> None:
        if not any(self.has_scope(scope) for scope in any_of):
            scopes = " or ".join(any_of)
            raise InsufficientScope(
                f"This call requires a key with the scope {scopes}.", hint="Create one with `undertone keys create`."
            )


def bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or len(token) > MAX_LENGTH:
        raise InvalidApiKey("This call requires an API key.", hint="Send the header `Authorization: Bearer ut_…`.")
    return token.strip()


class Authenticator:
    """Returns the caller of a key. Without a verifier every caller is the local tenant with all scopes."""

    def __init__(self, verifier: ApiKeyVerifier | None) -> None:
        self._verifier = verifier

    @property
    def keyless(self) -> bool:
        return self._verifier is None

    def authenticate(self, token: str, address: str | None) -> Caller:
        if self._verifier is None:
            return Caller(tenant=KEYLESS_TENANT, key_id=None, scopes=frozenset(Scope), address=address)
        key = self._verifier.verify(token)
        return Caller(tenant=key.tenant, key_id=key.id, scopes=key.scopes, address=address, defaults=key.defaults)
