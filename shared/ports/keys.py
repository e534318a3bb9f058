"""Where tenants, their keys, the trail of what they did and the answers they got are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared.domain.idempotency import RequestKey, RequestState, StoredResponse
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

    def record_use(self, key_id: str) -> None:
        """Note the last use; to the minute is exact enough."""
        ...

    def list(self, tenant: str) -> tuple[ApiKey, ...]: ...

    def revoke(self, tenant: str, key_id: str) -> ApiKey:
        """NotFound for another tenant's key; doing it again changes nothing."""
        ...


class AuditLog(Protocol):
    """It only grows; what is old goes by retention, never by a request."""

    def record(self, entry: AuditEntry) -> None: ...

    def list(self, tenant: str, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEntry]: ...

    def delete_before(self, before: datetime) -> int: ...


class IdempotencyStore(Protocol):
    """Answers that repeats of a request get; kept for a day."""

    def begin(self, request: RequestKey, fingerprint: str) -> RequestState:
        """Take the key, or learn how it stands. IdempotencyKeyReused if it was used for something else."""
        ...

    def store_response(self, request: RequestKey, answer: StoredResponse, *, job_id: str | None = None) -> None:
        """Keep the answer; the erasure of that job takes it along."""
        ...

    def release(self, request: RequestKey) -> None:
        """It came to no answer worth keeping: a repeat is processed again."""
        ...

    def delete_before(self, before: datetime) -> int: ...
