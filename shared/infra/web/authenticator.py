"""Authenticates callers by API key, session or share link; in keyless mode every caller is the local tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from shared.domain.error import InsufficientScope, InvalidApiKey, InvalidSetting
from shared.domain.share_link import ShareLink
from shared.domain.tenant import ApiKey, AuditEntry, Scope
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.sessions import SqlSessionStore
from shared.infra.database.share_links import SqlShareLinkStore
from shared.infra.key_verifier import ApiKeyVerifier
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
    link: ShareLink | None = None  # that a guest has; its routes show its meeting only

    @property
    def id(self) -> str:
        return self.key_id or (f"link-{self.link.id}" if self.link else "keyless")

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


def key_in(header: str | None, schemes: Sequence[str]) -> str:
    """The key in a header with one of these schemes, which compare without case; without schemes it is the header."""
    scheme, _, token = (header or "").partition(" ") if schemes else ("", "", header or "")
    if (schemes and scheme.lower() not in schemes) or not token.strip() or len(token) > MAX_LENGTH:
        raise InvalidApiKey("This call requires an API key.", hint="Send the header `Authorization: Bearer ut_…`.")
    return token.strip()


class Authenticator:
    """Returns the caller of a key or a session. Without a verifier every caller is the local tenant with all scopes."""

    def __init__(
        self, verifier: ApiKeyVerifier | None, links: SqlShareLinkStore, sessions: SqlSessionStore | None = None
    ) -> None:
        self._verifier = verifier
        self._links = links
        self._sessions = sessions

    @property
    def keyless(self) -> bool:
        return self._verifier is None

    def authenticate(self, token: str, address: str | None) -> Caller:
        if self._verifier is None:
            return Caller(tenant=KEYLESS_TENANT, key_id=None, scopes=frozenset(Scope), address=address)
        return caller_with(self._verifier.verify(token), address)

    def resume(self, session: str, address: str | None) -> Caller:
        """The caller of a session; it has the rights of the key that started the session."""
        key = self._sessions.find(session) if self._sessions is not None else None
        if key is None:
            raise InvalidApiKey("The session has ended.", hint="Sign in again.")
        return caller_with(key, address)

    def visit(self, token: str, address: str | None) -> Caller | None:
        """The guest with this share link, who has no scope except that of readings; None if the link has ended."""
        link = self._links.find(token)
        if link is None:
            return None
        scopes = frozenset({Scope.EMOTIONS_READ} if link.emotion else ())
        return Caller(tenant=link.tenant, key_id=None, scopes=scopes, address=address, link=link)


def caller_with(key: ApiKey, address: str | None) -> Caller:
    return Caller(tenant=key.tenant, key_id=key.id, scopes=key.scopes, address=address, defaults=key.defaults)


def make_authenticator(settings: WebSettings, database: Database) -> Authenticator:
    """Build the authenticator; refuse a configuration that is open to everybody."""
    keys, links = SqlKeyStore(database), SqlShareLinkStore(database)
    if not settings.keyless:
        return Authenticator(ApiKeyVerifier(keys, database.clock), links, SqlSessionStore(database))
    if not is_loopback(settings.host):
        prefix = settings.model_config.get("env_prefix", "")
        raise InvalidSetting(
            "Without keys a service must listen on a loopback address, otherwise anybody could read every meeting.",
            hint=f"Set {prefix}HOST=127.0.0.1, or {prefix}KEYLESS=false and create keys with `undertone keys create`.",
        )
    keys.ensure_tenant(KEYLESS_TENANT, "this machine")
    return Authenticator(None, links)
