"""The transcript's JSON Schema, and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, JsonValue

from services.gateway.dependencies import Gateway
from shared.domain.tenant import Scope
from shared.exports.document import transcript_schema
from shared.infra.web.api_keys import Caller
from shared.infra.web.authentication import require_scopes

SCHEMA = "/v1/schema/transcript.json"
TRANSCRIPT_SCHEMA = transcript_schema()

router = APIRouter(tags=["service"])


class AuditView(BaseModel):
    at: datetime
    key_id: str | None
    action: str
    subject: str
    details: Mapping[str, JsonValue]
    address: str | None


class AuditPage(BaseModel):
    items: tuple[AuditView, ...]
    next_cursor: str | None = None


@router.get(SCHEMA, summary="The JSON Schema of a transcript")
def show_transcript_schema() -> dict[str, Any]:
    return TRANSCRIPT_SCHEMA


@router.get("/v1/audit", summary="List audit entries, newest first")
def list_audit_entries(
    gateway: Gateway,
    caller: Annotated[Caller, Depends(require_scopes(Scope.ADMIN))],
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AuditPage:
    page = gateway.audit.list(caller.tenant, cursor=cursor, limit=limit)
    items = tuple(AuditView(**entry.model_dump(exclude={"tenant"})) for entry in page.items)
    return AuditPage(items=items, next_cursor=page.next_cursor)
