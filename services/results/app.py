"""The results service as a part of an application: its API and its pages."""

from __future__ import annotations

from services.results import clips, corrections, edits, media, notes, search, share_links, shared_views, videos, views
from services.results import retention as retention_routes
from services.results.manage_context import open_manage
from services.results.notes import NotesWriter
from services.results.page import manage
from services.results.page.app import page_service
from services.results.settings import FeatureSettings
from services.results.share_links import Sharing
from shared.infra.database.engine import Database
from shared.infra.database.notes import SqlNotesStore
from shared.infra.database.share_links import SqlShareLinkStore
from shared.infra.language_model import LanguageModel
from shared.infra.transcript_reader import open_transcripts
from shared.infra.web.application import WebService
from shared.ports.blobs import BlobStore

# `.mp4` comes before the other views, which would parse it as the end of an id.
ROUTERS = tuple(module.router for module in (search, corrections, edits, clips, media, videos, views))
MAX_CORRECTION = 128 * 1024  # bytes; the longest utterance text fits in any escaping


def results_services(
    database: Database, blobs: BlobStore, *, keyless: bool, features: FeatureSettings
) -> tuple[WebService, ...]:
    transcripts = open_transcripts(database, blobs)
    api = WebService(
        name="results",
        context=transcripts,
        routers=ROUTERS,
        checks={"storage": transcripts.storage},
        body_limits={views.COLLECTION: MAX_CORRECTION},
        exposed_headers=("ETag", "Content-Range", "Content-Disposition"),
        background=(transcripts.parsed.sweep,),
    )
    links = WebService(
        name="sharing",
        context=Sharing(transcripts, SqlShareLinkStore(database), features.sharing),
        routers=(share_links.router, shared_views.router),
        checks={},
    )
    model = LanguageModel(features.notes) if features.notes.url else None
    writer = NotesWriter(transcripts, SqlNotesStore(database), features.notes, model)
    written = WebService(name="notes", context=writer, routers=(notes.router,), checks={})
    managed = WebService(
        name="manage",
        context=open_manage(database, features.retention, keyless=keyless),
        routers=(retention_routes.router, manage.router),
        checks={},
    )
    pages = page_service(database, transcripts, writer, features.retention, keyless=keyless)
    return api, links, written, pages, managed
