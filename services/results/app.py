"""The application: its routes over the stores it is handed, behind the door that all services share."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.results.corrections import correction_routes
from services.results.health import health_routes
from services.results.reading_room import ReadingRoom
from services.results.search import search_routes
from services.results.views import view_routes
from shared.domain.error import JobFailed
from shared.exports.document import transcript_schema
from shared.infra.database.corrections import SqlCorrectionStore
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.requests import SqlAuditTrail
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.web_auth import Admission
from shared.infra.web_bodies import SmallBodies
from shared.infra.web_headers import SecurityHeaders
from shared.infra.web_metrics import Counted, RequestFigures
from shared.infra.web_problems import install_problems, problem
from shared.ports.blobs import BlobStore

MOST_BODY = 128 * 1024  # bytes; the longest text of an utterance fits, however it is escaped
ABOUT = "Transcripts with perceived emotion, as JSON and in every format, summed up, searched and corrected."


def results_app(database: Database, blobs: BlobStore, *, keyless: bool = False) -> FastAPI:
    app = FastAPI(title="Undertone results", description=ABOUT, version="1", docs_url=None, redoc_url=None)
    keys = SqlKeyStore(database)
    figures = RequestFigures("results")
    room = ReadingRoom(
        jobs=SqlJobStore(database),
        blobs=blobs,
        corrections=SqlCorrectionStore(database),
        trail=SqlAuditTrail(database),
        clock=database.clock,
    )
    app.state.admission = Admission(keys, keyless=keyless, clock=database.clock)
    install_problems(app)
    app.add_exception_handler(JobFailed, _job_failed)
    app.add_middleware(SmallBodies, at_most=MOST_BODY)
    app.add_middleware(Counted, figures=figures)
    app.add_middleware(SecurityHeaders)
    app.include_router(search_routes(room, SqlTranscriptIndex(database)))
    app.include_router(correction_routes(room))
    app.include_router(view_routes(room))
    app.include_router(health_routes(keys, blobs, figures))

    @app.get("/v1/schema/transcript.json", tags=["transcripts"], summary="The JSON Schema of a transcript.")
    def schema() -> dict[str, Any]:
        return transcript_schema()

    return app


async def _job_failed(_request: Request, error: Exception) -> Response:
    """The code is the job's own: a client that knows what to do about it need not look further."""
    if not isinstance(error, JobFailed):
        raise error
    return problem(error.status, error.job_code, error.message, mend=error.mend)
