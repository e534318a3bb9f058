"""Tenants, API keys with scopes, and audit entries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, Field, JsonValue

from shared.domain.value import Value


class Scope(StrEnum):
    RECORDINGS_WRITE = "recordings:write"
    TRANSCRIPTS_READ = "transcripts:read"
    EMOTIONS_READ = "emotions:read"  # without it, transcripts and exports contain no readings
    WEBHOOKS_WRITE = "webhooks:write"
    ADMIN = "admin"


class Tenant(Value):
    id: str = Field(min_length=1, max_length=64)
    name: str = ""
    created_at: datetime


class ApiKey(Value):
    """A stored API key; only the hash of its secret is stored."""

    id: str = Field(pattern=r"^[0-9a-zA-Z]{1,32}$")
    tenant: str
    name: str = ""
    secret_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    scopes: frozenset[Scope]
    # Default purpose, consent and modalities of requests: compatible APIs have no field for them.
    defaults: Mapping[str, JsonValue] = {}
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def usable(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def has_scope(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


class AuditEntry(Value):
    """One entry of the audit log: who did what to which resource, when and from where; never content."""

    tenant: str
    at: datetime
    key_id: str | None
    action: str
    subject: str
    details: Mapping[str, JsonValue] = {}
    address: str | None = None


class AuditFilter(Value):
    """Filter for the audit log; an omitted field matches all entries."""

    action: str | None = None
    key_id: str | None = None
    subject: str | None = None
    at_from: AwareDatetime | None = None
    at_before: AwareDatetime | None = None
