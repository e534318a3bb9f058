"""`/livez`, `/readyz`, `/metrics`: for whoever runs the service; without keys, and without anything of a tenant's."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from shared.infra.web_metrics import RequestFigures
from shared.infra.web_problems import MEDIA_TYPE, Problem, problem
from shared.ports.blobs import BlobStore
from shared.ports.keys import KeyStore

log = structlog.get_logger()


def health_routes(keys: KeyStore, blobs: BlobStore, figures: RequestFigures) -> APIRouter:
    routes = APIRouter(tags=["operation"])
    checks: dict[str, Callable[[], object]] = {
        "database": lambda: keys.find("0"),
        "storage": lambda: blobs.size("readyz", "nothing"),
    }

    @routes.get("/livez", summary="Whether the process answers.", response_class=JSONResponse)
    def livez() -> dict[str, str]:
        return {"status": "ok"}

    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    refused = {"description": "Service Unavailable: `not_serving`; it says what does not answer.", "content": content}

    @routes.get("/readyz", summary="Whether requests can be served.", responses={503: refused})
    def readyz() -> Response:
        failed = []
        for name, check in checks.items():
            try:
                check()
            # Whatever breaks, the answer is the same; an error's own words could name an address.
            except Exception as error:  # noqa: BLE001
                log.error("results.not_ready", check=name, error=type(error).__name__)  # noqa: TRY400
                failed.append(name)
        if failed:
            return problem(503, "not_serving", f"There is no answer from: {', '.join(failed)}.")
        return JSONResponse({"status": "ok"})

    @routes.get("/metrics", summary="Figures for Prometheus.", response_class=Response)
    def metrics() -> Response:
        return figures.answer()

    return routes
