"""Where tenants, their keys and the trail of what they did are kept."""

from __future__ import annotations

from typing import Protocol

from shared.domain.page import Page
from shared.domain.tenant import ApiKey, AuditEntry, Tenant


class KeyStore(Protocol):
    def ensure_tenant(self, tenant: str, name: str = "") -> Tenant:
        """The tenant, made now unless it is there."""
        ...

    def add(self, key: ApiKey) -> None: ...

    def find(self, key_id: str) -> ApiKey | None:
        """The one question that names no tenant: its answer is who asks."""
        ...

    def any_usable(self) -> bool:
        """Whether there is a key at all that somebody could come in with."""
        ...

    def used(self, key_id: str) -> None:
        """Note the last use; to the minute is exact enough."""
        ...

    def list(self, tenant: str) -> tuple[ApiKey, ...]: ...

    def revoke(self, tenant: str, key_id: str) -> ApiKey:
        """NotFound for another tenant's key; doing it again changes nothing."""
        ...


class AuditTrail(Protocol):
    """It only grows; what is old goes by retention, never by a request."""

    def note(self, entry: AuditEntry) -> None: ...

    def list(self, tenant: str, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEntry]: ...
