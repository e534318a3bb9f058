"""The application: its routes over the stores it is handed, behind the door that all services share."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from services.results.corrections import correction_routes
from services.results.described import describe
from services.results.health import OPEN_PATHS, operator_routes
from services.results.meters import Meters
from services.results.reading_room import ReadingRoom
from services.results.search import search_routes
from services.results.videos import video_routes
from services.results.views import view_routes
from shared.domain.error import JobFailed
from shared.infra.checks import Check
from shared.infra.database.corrections import SqlCorrectionStore
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.requests import SqlAuditTrail
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.telemetry import SILENT, Tracer
from shared.infra.web.api_keys import Admission
from shared.infra.web.door import Door, SmallBodies
from shared.infra.web.headers import SecurityHeaders
from shared.infra.web.journal import Journal
from shared.infra.web.problems import install, problem, problem_of
from shared.infra.web.turnstile import Buckets
from shared.ports.blobs import BlobStore

EXPOSED = ("ETag", "Content-Range", "Content-Disposition", "X-Request-Id")  # to pages of allowed origins
MOST_BODY = 128 * 1024  # bytes; the longest text of an utterance fits, however it is escaped
ABOUT = "Transcripts with perceived emotion, as JSON and in every format, summed up, searched and corrected."


def results_app(
    database: Database,
    blobs: BlobStore,
    *,
    admission: Admission,
    requests_per_minute: int,
    cors_origins: Sequence[str] = (),
    meters: Meters | None = None,
    tracer: Tracer = SILENT,
) -> FastAPI:
    app = FastAPI(
        title="Undertone results",
        description=ABOUT,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    keys, meters = SqlKeyStore(database), meters or Meters()
    checks = {
        "database": Check("database", lambda: keys.find("readyz")),
        "storage": Check("storage", blobs.probe),
    }
    room = ReadingRoom(
        jobs=SqlJobStore(database),
        blobs=blobs,
        corrections=SqlCorrectionStore(database),
        trail=SqlAuditTrail(database),
        clock=database.clock,
        storage=checks["storage"],
    )
    install(app)
    app.add_exception_handler(JobFailed, _job_failed)
    app.include_router(search_routes(room, SqlTranscriptIndex(database)))
    app.include_router(correction_routes(room))
    app.include_router(video_routes(room))
    app.include_router(view_routes(room))
    app.include_router(operator_routes(checks, meters))
    app.openapi = lambda: describe(app)  # type: ignore[method-assign] # the framework's own hook
    # The last one added is the first to see a request.
    app.add_middleware(SmallBodies, at_most=MOST_BODY, large=lambda _: False, refuse=problem_of)
    app.add_middleware(
        Door,
        admission=admission,
        per_key=Buckets(requests_per_minute),
        per_address=Buckets(requests_per_minute),
        open_paths=OPEN_PATHS,
        refuse=problem_of,
    )
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PATCH", "OPTIONS"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
        )
    app.add_middleware(Journal, measured=meters.answered, tracer=tracer)
    app.add_middleware(SecurityHeaders)
    return app


async def _job_failed(request: Request, error: Exception) -> Response:
    """The code is the job's own: a client that knows what to do about it need not look further."""
    if not isinstance(error, JobFailed):
        raise error
    return problem(error.job_code, error.status, error.message, instance=request.url.path, mend=error.mend)
