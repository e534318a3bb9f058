"""Routes for operators: `/livez`, `/readyz` and `/metrics`, without tenant data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.results.access import require_scopes
from services.results.metrics import ResultsMetrics
from services.results.openapi import error_responses
from shared.domain.tenant import Scope
from shared.infra.checks import ReadinessCheck
from shared.infra.web.api_keys import Caller
from shared.infra.web.health import LIVE, READY, health_routes

OPEN_PATHS = (LIVE, READY, "/openapi.json")
Operator = Annotated[Caller, Depends(require_scopes(Scope.ADMIN))]


def operator_routes(checks: Mapping[str, ReadinessCheck], service_metrics: ResultsMetrics) -> APIRouter:
    routes = APIRouter(tags=["service"])
    routes.include_router(health_routes(checks, ready="Requests can be served"))

    @routes.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **error_responses()},
    )
    def metrics(_operator: Operator) -> Response:
        return Response(service_metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes
