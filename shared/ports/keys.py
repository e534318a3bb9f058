"""Ports for tenants, API keys, the audit log and idempotent responses."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared.domain.idempotency import RequestKey, RequestState, StoredResponse
from shared.domain.page import Page
from shared.domain.tenant import ApiKey, AuditEntry, Tenant


class KeyStore(Protocol):
    def ensure_tenant(self, tenant: str, name: str = "") -> Tenant:
        """The tenant, created if it does not exist."""
        ...

    def add(self, key: ApiKey) -> None: ...

    def find(self, key_id: str) -> ApiKey | None:
        """The key with this id, of any tenant; it determines the tenant of a request."""
        ...

    def any_usable(self) -> bool:
        """Whether any usable key exists."""
        ...

    def record_use(self, key_id: str) -> None:
        """Store the time of the last use, to the minute."""
        ...

    def list(self, tenant: str) -> tuple[ApiKey, ...]: ...

    def revoke(self, tenant: str, key_id: str) -> ApiKey:
        """Revoke the key; raises NotFound for another tenant's key. Idempotent."""
        ...


class AuditLog(Protocol):
    """Append-only audit log; entries are deleted only by retention, never by a request."""

    def record(self, entry: AuditEntry) -> None: ...

    def list(self, tenant: str, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEntry]: ...

    def delete_before(self, before: datetime) -> int: ...


class IdempotencyStore(Protocol):
    """Stores the responses for repeated requests, for one day."""

    def begin(self, request: RequestKey, fingerprint: str) -> RequestState:
        """Reserve the key or return its state; raises IdempotencyKeyReused if it was used for another request."""
        ...

    def store_response(self, request: RequestKey, answer: StoredResponse, *, job_id: str | None = None) -> None:
        """Store the response; the erasure of the job deletes it."""
        ...

    def release(self, request: RequestKey) -> None:
        """Release the key without a response, so that a repeated request is processed again."""
        ...

    def delete_before(self, before: datetime) -> int: ...
