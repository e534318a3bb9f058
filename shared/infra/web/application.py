"""Builds the FastAPI application of one or several HTTP services; every service is served in the same way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from fastapi import APIRouter, Depends, FastAPI, Request
from limits import RateLimitItemPerMinute
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from shared.infra.checks import ReadinessCheck
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.telemetry import NULL_TRACER, Tracer
from shared.infra.web.access_log import AccessLog
from shared.infra.web.authentication import Authentication
from shared.infra.web.authenticator import make_authenticator
from shared.infra.web.body_limit import BodySizeLimit
from shared.infra.web.dialect import Dialect, DialectErrors
from shared.infra.web.handler_limit import HandlerLimit
from shared.infra.web.metrics import RequestMetrics
from shared.infra.web.openapi import describe, error_responses
from shared.infra.web.problems import install_error_handlers
from shared.infra.web.rate_limit import RateLimiter
from shared.infra.web.security_headers import SecurityHeaders
from shared.infra.web.settings import WebSettings
from shared.infra.web.system_routes import OPEN_PATHS, system_routes

ABOUT = "Recordings of meetings in; transcripts with speakers, word times and perceived emotion out."


@dataclass(frozen=True, slots=True)
class WebService:
    """The routes of one service, and what they need of the application that serves them."""

    name: str
    context: object  # what `context_of(name)` returns to a route
    routers: Sequence[APIRouter]
    checks: Mapping[str, ReadinessCheck]  # besides that of the database
    collectors: Sequence[Collector] = ()  # of metrics
    open_paths: Collection[str] = ()  # without a key
    body_limits: Mapping[str, int | None] = field(default_factory=dict)  # see BodySizeLimit
    exposed_headers: Sequence[str] = ()  # to pages of the allowed origins
    middleware: Sequence[Middleware] = ()  # around authentication
    dialects: Sequence[Dialect] = ()  # of compatible APIs
    models: Sequence[type[BaseModel]] = ()  # that only hand-written parts of the OpenAPI description refer to
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()  # run while the application runs


def context_of(service: str) -> Any:
    """The dependency that gives a route the context of its service."""

    async def context(request: Request) -> Any:
        return getattr(request.app.state, service)

    return Depends(context)


def create_application(
    services: Sequence[WebService],
    settings: WebSettings,
    database: Database,
    *,
    redis_url: str = "",
    tracer: Tracer = NULL_TRACER,
) -> FastAPI:
    """Without a Redis URL the rate limit applies to this process alone."""
    registry = CollectorRegistry()
    dialects = [dialect for service in services for dialect in service.dialects]
    requests = RequestMetrics(registry)
    for collector in (one for service in services for one in service.collectors):
        registry.register(collector)
    open_paths = {*OPEN_PATHS, *(path for service in services for path in service.open_paths)}
    body_limits = {path: limit for service in services for path, limit in service.body_limits.items()}
    app = FastAPI(
        title="Undertone",
        version="1",
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan([task for service in services for task in service.background]),
        middleware=[  # the outermost first
            Middleware(SecurityHeaders),
            Middleware(DialectErrors, dialects=dialects),  # also for what the access log answers
            Middleware(AccessLog, observe=requests.observe, tracer=tracer),
            *_cors(settings, [name for service in services for name in service.exposed_headers]),
            *(one for service in services for one in service.middleware),
            Middleware(
                Authentication,
                authenticator=make_authenticator(settings, database),
                rates=RateLimiter(RateLimitItemPerMinute(settings.requests_per_minute), redis_url),
                open_paths=open_paths,
                dialects=dialects,
            ),
            Middleware(HandlerLimit, unlimited=[path for path, limit in body_limits.items() if limit is None]),
            Middleware(BodySizeLimit, limits=body_limits),
        ],
    )
    install_error_handlers(app)
    for service in services:
        setattr(app.state, service.name, service.context)
        for router in service.routers:
            app.include_router(router, responses=error_responses())
    keys = SqlKeyStore(database)
    checks = {"database": ReadinessCheck("database", lambda: keys.find("readyz"))}
    for service in services:
        checks.update(service.checks)
    app.include_router(system_routes(checks, registry))
    models = [model for service in services for model in service.models]
    app.openapi = lambda: describe(app, models, open_paths)  # type: ignore[method-assign] # the framework's own hook
    return app


def _cors(settings: WebSettings, exposed: Sequence[str]) -> Sequence[Middleware]:
    if not settings.cors_origins:
        return ()
    methods = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")
    return (
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=methods,
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "Retry-After", *exposed],
        ),
    )


def _lifespan(background: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            for task in background:
                tasks.start_soon(task)
            yield
            tasks.cancel_scope.cancel()

    return lifespan
