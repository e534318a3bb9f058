"""The FastAPI application of the results service: its routes, stores and middleware."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from services.results.corrections import correction_routes
from services.results.health import OPEN_PATHS, operator_routes
from services.results.metrics import ResultsMetrics
from services.results.openapi import add_openapi
from services.results.search import search_routes
from services.results.transcript_reader import TranscriptReader
from services.results.videos import video_routes
from services.results.views import view_routes
from shared.domain.error import JobFailed
from shared.infra.checks import ReadinessCheck
from shared.infra.database.corrections import SqlCorrectionStore
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.requests import SqlAuditLog
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.telemetry import NULL_TRACER, Tracer
from shared.infra.web.access_log import AccessLog
from shared.infra.web.api_keys import Authenticator
from shared.infra.web.auth_middleware import AuthMiddleware, BodySizeLimit
from shared.infra.web.problems import error_response, install_error_handlers, problem_response
from shared.infra.web.rate_limit import RateLimiter
from shared.infra.web.security_headers import SecurityHeaders
from shared.ports.blobs import BlobStore

EXPOSED = ("ETag", "Content-Range", "Content-Disposition", "X-Request-Id")  # readable by pages of the allowed origins
MAX_BODY = 128 * 1024  # bytes; the longest utterance text fits in any escaping
ABOUT = "Transcripts with perceived emotion, as JSON and in every format, with summary, search and corrections."


def results_app(
    database: Database,
    blobs: BlobStore,
    *,
    authenticator: Authenticator,
    requests_per_minute: int,
    cors_origins: Sequence[str] = (),
    metrics: ResultsMetrics | None = None,
    tracer: Tracer = NULL_TRACER,
) -> FastAPI:
    app = FastAPI(
        title="Undertone results",
        description=ABOUT,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    keys, metrics = SqlKeyStore(database), metrics or ResultsMetrics()
    checks = {
        "database": ReadinessCheck("database", lambda: keys.find("readyz")),
        "storage": ReadinessCheck("storage", blobs.probe),
    }
    reader = TranscriptReader(
        jobs=SqlJobStore(database),
        blobs=blobs,
        corrections=SqlCorrectionStore(database),
        audit=SqlAuditLog(database),
        clock=database.clock,
        storage=checks["storage"],
    )
    install_error_handlers(app)
    app.add_exception_handler(JobFailed, _job_failed)
    app.include_router(search_routes(reader, SqlTranscriptIndex(database)))
    app.include_router(correction_routes(reader))
    app.include_router(video_routes(reader))
    app.include_router(view_routes(reader))
    app.include_router(operator_routes(checks, metrics))
    app.openapi = lambda: add_openapi(app)  # type: ignore[method-assign] # the framework's own hook
    # Starlette runs the middleware that was added last first.
    app.add_middleware(BodySizeLimit, max_bytes=MAX_BODY, streams_body=lambda _: False, render_error=error_response)
    app.add_middleware(
        AuthMiddleware,
        authenticator=authenticator,
        per_key=RateLimiter(requests_per_minute),
        per_address=RateLimiter(requests_per_minute),
        open_paths=OPEN_PATHS,
        render_error=error_response,
    )
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PATCH", "OPTIONS"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )
    app.add_middleware(AccessLog, observe=metrics.observe_request, tracer=tracer)
    app.add_middleware(SecurityHeaders)
    return app


async def _job_failed(request: Request, error: Exception) -> Response:
    """Respond with the job's own error code, so that a client can handle it directly."""
    if not isinstance(error, JobFailed):
        raise error
    return problem_response(
        error.job_code, error.http_status, error.message, instance=request.url.path, hint=error.hint
    )
