"""The results service as a part of an application: its routes and stores."""

from __future__ import annotations

from services.results import corrections, search, videos, views
from services.results.transcript_reader import TranscriptReader
from shared.infra.checks import ReadinessCheck
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.corrections import SqlCorrectionStore
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.web.application import WebService
from shared.ports.blobs import BlobStore

# `.mp4` comes before the other views, which would parse it as the end of an id.
ROUTERS = tuple(module.router for module in (search, corrections, videos, views))
MAX_CORRECTION = 128 * 1024  # bytes; the longest utterance text fits in any escaping


def results_service(database: Database, blobs: BlobStore) -> WebService:
    storage = ReadinessCheck("storage", blobs.probe)
    return WebService(
        name="results",
        context=TranscriptReader(
            jobs=SqlJobStore(database),
            blobs=blobs,
            corrections=SqlCorrectionStore(database),
            index=SqlTranscriptIndex(database),
            audit=SqlAuditLog(database),
            clock=database.clock,
            storage=storage,
        ),
        routers=ROUTERS,
        checks={"storage": storage},
        body_limits={views.COLLECTION: MAX_CORRECTION},
        exposed_headers=("ETag", "Content-Range", "Content-Disposition"),
    )
