"""The results service as a part of an application: its API and its pages."""

from __future__ import annotations

from services.results import corrections, media, search, videos, views
from services.results import retention as retention_routes
from services.results.manage_context import open_manage
from services.results.page import manage
from services.results.page.app import page_service
from shared.infra.database.engine import Database
from shared.infra.retention_settings import RetentionSettings
from shared.infra.transcript_reader import open_transcripts
from shared.infra.web.application import WebService
from shared.ports.blobs import BlobStore

# `.mp4` comes before the other views, which would parse it as the end of an id.
ROUTERS = tuple(module.router for module in (search, corrections, media, videos, views))
MAX_CORRECTION = 128 * 1024  # bytes; the longest utterance text fits in any escaping


def results_services(
    database: Database, blobs: BlobStore, *, keyless: bool, retention: RetentionSettings | None = None
) -> tuple[WebService, ...]:
    """`retention` is by default that of the environment."""
    transcripts = open_transcripts(database, blobs)
    api = WebService(
        name="results",
        context=transcripts,
        routers=ROUTERS,
        checks={"storage": transcripts.storage},
        body_limits={views.COLLECTION: MAX_CORRECTION},
        exposed_headers=("ETag", "Content-Range", "Content-Disposition"),
    )
    managed = WebService(
        name="manage",
        context=open_manage(database, retention or RetentionSettings(), keyless=keyless),
        routers=(retention_routes.router, manage.router),
        checks={},
    )
    return api, page_service(database, transcripts, keyless=keyless), managed
