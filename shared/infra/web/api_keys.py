"""Authenticates callers by API key; in keyless mode every caller is the local tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from shared.domain.error import InsufficientScope, InvalidApiKey, InvalidSetting
from shared.domain.tenant import AuditEntry, Scope
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.keys import ApiKeyVerifier
from shared.infra.web.loopback import is_loopback
from shared.infra.web.settings import WebSettings

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

    def audit_entry(self, at: datetime, action: str, subject: str, **details: JsonValue) -> AuditEntry:
        """The audit entry of an action of this caller; details never contain a recording's content."""
        return AuditEntry(
            tenant=self.tenant,
            at=at,
            key_id=self.key_id,
            action=action,
            subject=subject,
            details=details,
            address=self.address,
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


def make_authenticator(settings: WebSettings, database: Database) -> Authenticator:
    """Build the authenticator; refuse a configuration that is open to everybody."""
    keys = SqlKeyStore(database)
    if not settings.keyless:
        return Authenticator(ApiKeyVerifier(keys, database.clock))
    if not is_loopback(settings.host):
        prefix = settings.model_config.get("env_prefix", "")
        raise InvalidSetting(
            "Without keys a service must listen on a loopback address, otherwise anybody could read every meeting.",
            hint=f"Set {prefix}HOST=127.0.0.1, or {prefix}KEYLESS=false and create keys with `undertone keys create`.",
        )
    keys.ensure_tenant(KEYLESS_TENANT, "this machine")
    return Authenticator(None)
