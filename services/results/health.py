"""`/livez`, `/readyz`, `/metrics`: for whoever runs the service, without anything of a tenant's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse, Response

from services.results.access import caller_with
from services.results.described import refusals
from services.results.meters import Meters
from shared.domain.tenant import Scope
from shared.infra.web.api_keys import Caller
from shared.infra.web.problems import MEDIA_TYPE, SCHEMA, problem

log = structlog.get_logger()

OPEN_PATHS = ("/livez", "/readyz", "/openapi.json")
Operator = Annotated[Caller, Depends(caller_with(Scope.ADMIN))]


def health_routes(checks: Mapping[str, Callable[[], object]], meters: Meters) -> APIRouter:
    routes = APIRouter(tags=["service"])

    @routes.get("/livez", summary="The process answers")
    def livez() -> dict[str, str]:
        return {"status": "ok"}

    refused = {
        "description": "Service Unavailable: `not_serving`; it says what does not answer",
        "content": {MEDIA_TYPE: {"schema": {"$ref": SCHEMA}}},
    }

    @routes.get("/readyz", summary="Requests can be served", responses={503: refused})
    def readyz() -> Response:
        failed = [name for name, check in checks.items() if not _answers(name, check)]
        if failed:
            return problem("not_serving", 503, f"There is no answer from: {', '.join(failed)}.")
        return JSONResponse({"status": "ok"})

    @routes.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **refusals()},
    )
    def metrics(_operator: Operator) -> Response:
        return Response(meters.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes


def _answers(name: str, check: Callable[[], object]) -> bool:
    try:
        check()
    # Whatever breaks, the answer is the same; an error's own words could name an address.
    except Exception as error:  # noqa: BLE001
        log.warning("results.not_ready", check=name, error=type(error).__name__)
        return False
    return True
