"""Who asks: a key's tenant and rights, or, where no keys are wanted, the one user of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from shared.domain.error import KeyRefused, ScopeMissing
from shared.domain.tenant import Scope
from shared.infra.keys import Doorkeeper

LONGEST = 300
KEYLESS_TENANT = "local"


@dataclass(frozen=True, slots=True)
class Caller:
    """The tenant who asks, with which key and from where, and what they may do."""

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

    def need(self, *any_of: Scope) -> None:
        if not any(self.may(scope) for scope in any_of):
            words = " or ".join(any_of)
            raise ScopeMissing(f"This needs a key with the scope {words}.", mend="Make one: `undertone keys create`.")


def bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or len(token) > LONGEST:
        raise KeyRefused("This needs a key.", mend="Send the header `Authorization: Bearer ut_…`.")
    return token.strip()


class Admission:
    """Turns a key's text into its caller. Without a doorkeeper everybody is the one local tenant, with every right."""

    def __init__(self, doorkeeper: Doorkeeper | None) -> None:
        self._doorkeeper = doorkeeper

    @property
    def keyless(self) -> bool:
        return self._doorkeeper is None

    def admit(self, token: str, address: str | None) -> Caller:
        if self._doorkeeper is None:
            return Caller(tenant=KEYLESS_TENANT, key_id=None, scopes=frozenset(Scope), address=address)
        key = self._doorkeeper.admit(token)
        return Caller(tenant=key.tenant, key_id=key.id, scopes=key.scopes, address=address, defaults=key.defaults)
