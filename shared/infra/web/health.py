"""The routes `/livez` and `/readyz` of every HTTP service."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import anyio.to_thread
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from shared.infra.checks import ReadinessCheck, run_checks

LIVE, READY = "/livez", "/readyz"
THREADS = 4


class Readiness(BaseModel):
    ready: bool
    checks: Mapping[str, bool]


def health_routes(checks: Mapping[str, ReadinessCheck], *, ready: str) -> APIRouter:
    """`ready` is the description of what a service can do while all of its checks pass."""
    router = APIRouter(tags=["service"])
    # Requests that wait for storage may occupy all other threads.
    threads = anyio.CapacityLimiter(THREADS)

    @router.get(LIVE, summary="The process answers")
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    @router.get(
        READY,
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "Send work elsewhere"}},
        summary=ready,
    )
    async def readiness() -> Response:
        found = await anyio.to_thread.run_sync(run_checks, checks, limiter=threads)
        result = Readiness(ready=all(found.values()), checks=found)
        return JSONResponse(result.model_dump(), 200 if result.ready else 503)

    return router
