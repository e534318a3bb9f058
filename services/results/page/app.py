"""The pages as a part of an application."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.middleware import Middleware

from services.results.notes import NotesWriter
from services.results.page import meeting, meetings, shared, sign_in, summary
from services.results.page.context import PageContext
from services.results.page.errors import ErrorPages
from services.results.page.render import FILES, serve_file
from services.results.page.sign_in import SIGN_IN, SignInRedirect
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.retention import SqlRetentionStore
from shared.infra.database.sessions import SqlSessionStore
from shared.infra.key_verifier import ApiKeyVerifier
from shared.infra.retention_settings import RetentionSettings
from shared.infra.transcript_reader import TranscriptReader
from shared.infra.web.application import WebService


def page_service(
    database: Database,
    transcripts: TranscriptReader,
    notes: NotesWriter,
    retention: RetentionSettings,
    *,
    keyless: bool,
) -> WebService:
    files = APIRouter(include_in_schema=False)
    for path in FILES:
        files.add_api_route(path, serve_file, methods=["GET"])
    verifier = None if keyless else ApiKeyVerifier(SqlKeyStore(database), database.clock)
    return WebService(
        name="page",
        context=PageContext(
            transcripts, notes, SqlSessionStore(database), verifier, SqlRetentionStore(database), retention
        ),
        routers=(meetings.router, meeting.router, shared.router, sign_in.router, summary.router, files),
        checks={},
        open_paths=(SIGN_IN, *FILES),
        middleware=(Middleware(ErrorPages), Middleware(SignInRedirect)),
    )
