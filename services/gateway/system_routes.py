"""Health checks, metrics, the transcript's JSON Schema, and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, JsonValue
from starlette.responses import Response

from services.gateway.context import Context
from shared.domain.tenant import Scope
from shared.exports.document import transcript_schema
from shared.infra.web.auth_middleware import caller_of
from shared.infra.web.error_page import PATH as ERRORS
from shared.infra.web.error_page import error_page_routes
from shared.infra.web.health import LIVE, READY, health_routes
from shared.infra.web.problems import problem_responses

SCHEMA = "/v1/schema/transcript.json"
OPEN_PATHS = (LIVE, READY, "/openapi.json", SCHEMA, ERRORS)


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


def routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["service"])
    router.include_router(health_routes(context.checks, ready="The gateway can accept work"))
    router.include_router(error_page_routes())
    schema = transcript_schema()

    @router.get(
        "/metrics",
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problem_responses(422)},
        response_class=Response,
        summary="Metrics for Prometheus",
    )
    def metrics(request: Request) -> Response:
        caller_of(request).require_scope(Scope.ADMIN)
        return Response(context.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get(SCHEMA, summary="The JSON Schema of a transcript")
    def transcript() -> dict[str, Any]:
        return schema

    @router.get("/v1/audit", responses=problem_responses(422), summary="List audit entries, newest first")
    def audit(
        request: Request,
        cursor: Annotated[str | None, Query(max_length=500)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> AuditPage:
        caller = caller_of(request)
        caller.require_scope(Scope.ADMIN)
        page = context.audit.list(caller.tenant, cursor=cursor, limit=limit)
        items = tuple(AuditView(**entry.model_dump(exclude={"tenant"})) for entry in page.items)
        return AuditPage(items=items, next_cursor=page.next_cursor)

    return router
