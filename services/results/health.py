"""What whoever runs the service asks it: `/livez`, `/readyz`, `/metrics`, without anything of a tenant's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.results.access import caller_with
from services.results.described import refusals
from services.results.meters import Meters
from shared.domain.tenant import Scope
from shared.infra.checks import Check
from shared.infra.web.api_keys import Caller
from shared.infra.web.health import LIVE, READY, health_routes

OPEN_PATHS = (LIVE, READY, "/openapi.json")
Operator = Annotated[Caller, Depends(caller_with(Scope.ADMIN))]


def operator_routes(checks: Mapping[str, Check], meters: Meters) -> APIRouter:
    routes = APIRouter(tags=["service"])
    routes.include_router(health_routes(checks, ready="Requests can be served"))

    @routes.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **refusals()},
    )
    def metrics(_operator: Operator) -> Response:
        return Response(meters.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes
