"""Ports for tenants, API keys, the audit log and idempotent responses."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared.domain.idempotency import RequestKey, RequestState, StoredResponse
from shared.domain.page import Page
from shared.domain.tenant import AuditEntry


class AuditLog(Protocol):
    def record(self, entry: AuditEntry) -> None: ...

    def list(self, tenant: str, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEntry]: ...

    def delete_before(self, before: datetime) -> int: ...


class IdempotencyStore(Protocol):
    def begin(self, request: RequestKey, fingerprint: str) -> RequestState: ...

    def store_response(self, request: RequestKey, answer: StoredResponse, *, job_id: str | None = None) -> None: ...

    def release(self, request: RequestKey) -> None: ...

    def delete_before(self, before: datetime) -> int: ...
