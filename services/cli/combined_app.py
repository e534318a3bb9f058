"""`python -m services.cli.combined_app`: serves gateway and results on one port."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from services.gateway.app import create_app
from services.gateway.assemble import Deployment, assemble
from services.results.app import results_app
from services.results.metrics import ResultsMetrics
from shared.domain.governance import NOTICE
from shared.infra.database.engine import Database
from shared.infra.queue_celery import CeleryQueue
from shared.infra.settings import DatabaseSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_blob_store, open_database_for
from shared.infra.telemetry import NULL_TRACER, TelemetrySettings, Tracer, make_tracer
from shared.infra.web.listener import make_server

log = structlog.get_logger()


class CombinedApp:
    """Dispatches each request to the first application with a matching route; the last one responds with 404."""

    def __init__(self, apps: Sequence[Starlette]) -> None:
        self._apps = tuple(apps)
        self._own = Starlette(lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._own if scope["type"] == "lifespan" else self._app_for(scope)
        await app(scope, receive, send)

    def _app_for(self, scope: Scope) -> Starlette:
        route_scope: dict[str, Any] = dict(scope)
        for match in (Match.FULL, Match.PARTIAL):  # partial: the path matches, the method does not
            for app in self._apps:
                if any(route.matches(route_scope)[0] is match for route in app.routes):
                    return app
        return self._apps[-1]

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in self._apps:
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield


def combine(
    deployment: Deployment, database: Database, queue: CeleryQueue, tracer: Tracer = NULL_TRACER
) -> CombinedApp:
    """Build both applications with one authenticator and one OpenAPI document."""
    context = assemble(deployment, database, queue, tracer)
    gateway = create_app(context)
    read = ResultsMetrics()
    results = results_app(
        database,
        open_blob_store(deployment.storage),
        authenticator=context.authenticator,
        requests_per_minute=deployment.gateway.requests_per_minute,
        cors_origins=deployment.gateway.cors_origins,
        metrics=read,
        tracer=tracer,
    )
    context.metrics.include(read.render)
    own = gateway.openapi()
    theirs = results.openapi()
    schemas = {**theirs["components"]["schemas"], **own["components"]["schemas"]}
    components = {**own["components"], "schemas": schemas}
    gateway.openapi_schema = {**own, "paths": {**theirs["paths"], **own["paths"]}, "components": components}
    return CombinedApp([gateway, results])


def main() -> int:
    deployment = Deployment.from_environment()
    queue = CeleryQueue(deployment.redis, deployment.queue)
    database = open_database_for(DatabaseSettings(), deployment.storage)
    tracer = make_tracer(TelemetrySettings(), "web")
    front = combine(deployment, database, queue, tracer)
    log.info("serve.started", modalities=list(deployment.governance.modalities), notice=NOTICE)
    settings = deployment.gateway
    make_server(front, host=settings.host, port=settings.port, trusted_proxies=settings.trusted_proxies).run()
    tracer.close()
    queue.close()
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(run_service(main))
