"""The transcript's JSON Schema, and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, JsonValue

from services.gateway.dependencies import Admin, Gateway
from shared.domain.tenant import AuditFilter
from shared.exports.document import transcript_schema

SCHEMA = "/v1/schema/transcript.json"
TRANSCRIPT_SCHEMA = transcript_schema()
Words = Annotated[str | None, Query(max_length=64)]

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
    caller: Admin,
    action: Words = None,
    key_id: Words = None,
    subject: Annotated[str | None, Query(max_length=200, description="The id of a job, key or endpoint")] = None,
    at_from: AwareDatetime | None = None,
    at_before: AwareDatetime | None = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AuditPage:
    only = AuditFilter(action=action, key_id=key_id, subject=subject, at_from=at_from, at_before=at_before)
    page = gateway.audit.list(caller.tenant, only=only, cursor=cursor, limit=limit)
    items = tuple(AuditView(**entry.model_dump(exclude={"tenant"})) for entry in page.items)
    return AuditPage(items=items, next_cursor=page.next_cursor)
