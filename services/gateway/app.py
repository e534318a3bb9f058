"""The gateway's FastAPI application: its routes and its middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.to_thread
import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope

from services.gateway import deliveries, events, jobs, recordings, system_routes, uploads, webhooks
from services.gateway.context import Context
from services.gateway.openapi import add_openapi
from services.gateway.system_routes import OPEN_PATHS
from services.gateway.tus_headers import EXPOSED, PREFIX, TusProtocol
from shared.infra.web.access_log import AccessLog
from shared.infra.web.auth_middleware import AuthMiddleware, BodySizeLimit
from shared.infra.web.problems import error_response, install_error_handlers
from shared.infra.web.rate_limit import RateLimiter

log = structlog.get_logger()

SWEEP_SECONDS = 300.0
MAX_SMALL_BODY = 64 * 1024
DESCRIPTION = "Accepts recordings and returns job ids. Emotions in transcripts are perceived, and labelled as such."


def create_app(context: Context) -> FastAPI:
    app = FastAPI(
        title="Undertone",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=partial(_lifespan, context),
    )
    install_error_handlers(app)
    for module in (recordings, uploads, jobs, events, webhooks, deliveries, system_routes):
        app.include_router(module.routes(context))
    app.openapi = lambda: add_openapi(app)  # type: ignore[method-assign] # the framework's own hook
    per_minute = context.settings.requests_per_minute
    # Starlette runs the middleware that was added last first.
    app.add_middleware(BodySizeLimit, max_bytes=MAX_SMALL_BODY, streams_body=_streams_body, render_error=error_response)
    app.add_middleware(
        AuthMiddleware,
        authenticator=context.authenticator,
        per_key=RateLimiter(per_minute),
        per_address=RateLimiter(per_minute),
        open_paths=OPEN_PATHS,
        render_error=error_response,
    )
    app.add_middleware(TusProtocol)
    if context.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=context.settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )
    app.add_middleware(AccessLog, observe=context.metrics.observe_request, tracer=context.tracer)
    return app


def _streams_body(scope: Scope) -> bool:
    path: str = scope["path"]
    return path in ("/v1/recordings", PREFIX) or path.startswith(PREFIX + "/")


@asynccontextmanager
async def _lifespan(context: Context, app: FastAPI) -> AsyncIterator[None]:
    del app
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_sweep, context)
        yield
        tasks.cancel_scope.cancel()


async def _sweep(context: Context) -> None:
    """Delete expired uploads and the files that killed processes left, periodically."""
    while True:
        for task in (context.intake.sweep, context.uploads.sweep):
            try:
                await anyio.to_thread.run_sync(task)
            # The next round retries; a database outage must not end the gateway.
            except Exception as error:  # noqa: BLE001
                log.error("gateway.task_failed", error=type(error).__name__)  # noqa: TRY400
        await anyio.sleep(SWEEP_SECONDS)
