"""The routes that every HTTP service has: `/livez`, `/readyz`, `/metrics` and `/errors`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import BaseModel
from starlette.responses import HTMLResponse, JSONResponse, Response

from shared.domain.tenant import Scope
from shared.infra.checks import ReadinessCheck, run_checks
from shared.infra.web.authentication import require_scopes
from shared.infra.web.authenticator import Caller
from shared.infra.web.error_page import PATH as ERRORS
from shared.infra.web.error_page import render_error_page
from shared.infra.web.openapi import error_responses

LIVE, READY = "/livez", "/readyz"
OPEN_PATHS = (LIVE, READY, "/openapi.json", ERRORS)
THREADS = 4


class Readiness(BaseModel):
    ready: bool
    checks: Mapping[str, bool]


def system_routes(checks: Mapping[str, ReadinessCheck], registry: CollectorRegistry) -> APIRouter:
    router = APIRouter(tags=["service"])
    page = render_error_page()
    # Requests that wait for storage may occupy all other threads.
    threads = anyio.CapacityLimiter(THREADS)

    @router.get(LIVE, summary="The process answers")
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    @router.get(
        READY,
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "Send requests elsewhere"}},
        summary="Everything that requests depend on responds",
    )
    async def readiness() -> Response:
        found = await anyio.to_thread.run_sync(run_checks, checks, limiter=threads)
        result = Readiness(ready=all(found.values()), checks=found)
        return JSONResponse(result.model_dump(), 200 if result.ready else 503)

    @router.get(
        "/metrics",
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **error_responses()},
        response_class=Response,
        summary="Metrics for Prometheus",
    )
    def metrics(_operator: Annotated[Caller, Depends(require_scopes(Scope.ADMIN))]) -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get(ERRORS, summary="Every error code", response_class=HTMLResponse)
    def error_page() -> Response:
        return HTMLResponse(page, headers={"Cache-Control": "public, max-age=3600"})

    return router
