"""The gateway as an application: its routes, and the layers that a request passes before it reaches them."""

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

from services.gateway import deliveries, events, house, jobs, recordings, uploads, webhooks
from services.gateway.context import Context
from services.gateway.described import describe
from services.gateway.house import OPEN_PATHS
from services.gateway.tus_headers import EXPOSED, PREFIX, TusProtocol
from shared.infra.web.door import Door, SmallBodies
from shared.infra.web.journal import Journal
from shared.infra.web.problems import install, problem_of
from shared.infra.web.turnstile import Buckets

log = structlog.get_logger()

SWEEP_SECONDS = 300.0
MOST_SMALL = 64 * 1024
DESCRIPTION = "Recordings in, job ids out. Emotions in transcripts are perceived, and labelled as such."


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
    install(app)
    for module in (recordings, uploads, jobs, events, webhooks, deliveries, house):
        app.include_router(module.routes(context))
    app.openapi = lambda: describe(app)  # type: ignore[method-assign] # the framework's own hook
    per_minute = context.settings.requests_per_minute
    # The last one added is the first to see a request.
    app.add_middleware(SmallBodies, at_most=MOST_SMALL, large=_reads_its_own_body, refuse=problem_of)
    app.add_middleware(
        Door,
        admission=context.admission,
        per_key=Buckets(per_minute),
        per_address=Buckets(per_minute),
        open_paths=OPEN_PATHS,
        refuse=problem_of,
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
    app.add_middleware(Journal, measured=context.meters.answered, tracer=context.tracer)
    return app


def _reads_its_own_body(scope: Scope) -> bool:
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
    """What killed processes and patient clients left behind goes, a little after its time."""
    while True:
        for chore in (context.intake.sweep, context.uploads.sweep):
            try:
                await anyio.to_thread.run_sync(chore)
            # The next round tries again; a database that is away for a minute must not end the gateway.
            except Exception as error:  # noqa: BLE001
                log.error("gateway.chore_failed", error=type(error).__name__)  # noqa: TRY400
        await anyio.sleep(SWEEP_SECONDS)
