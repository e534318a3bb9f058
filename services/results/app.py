"""The results service as a part of an application: its API and its pages."""

from __future__ import annotations

from services.results import clips, corrections, edits, media, search, videos, views
from services.results.page.app import page_service
from shared.infra.database.engine import Database
from shared.infra.transcript_reader import open_transcripts
from shared.infra.web.application import WebService
from shared.ports.blobs import BlobStore

# `.mp4` comes before the other views, which would parse it as the end of an id.
ROUTERS = tuple(module.router for module in (search, corrections, edits, clips, media, videos, views))
MAX_CORRECTION = 128 * 1024  # bytes; the longest utterance text fits in any escaping


def results_services(database: Database, blobs: BlobStore, *, keyless: bool) -> tuple[WebService, WebService]:
    transcripts = open_transcripts(database, blobs)
    api = WebService(
        name="results",
        context=transcripts,
        routers=ROUTERS,
        checks={"storage": transcripts.storage},
        body_limits={views.COLLECTION: MAX_CORRECTION},
        exposed_headers=("ETag", "Content-Range", "Content-Disposition"),
    )
    return api, page_service(database, transcripts, keyless=keyless)
