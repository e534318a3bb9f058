"""`python -m services.results`: serve transcripts until SIGTERM."""

from __future__ import annotations

import sys
from contextlib import closing

import structlog

from services.results.access import admission_of
from services.results.app import results_app
from services.results.settings import ResultsSettings
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.startup import run_service
from shared.infra.state import blobs_of, database_of
from shared.infra.telemetry import TelemetrySettings, Tracer, tracer_of
from shared.infra.web.listener import server_of

log = structlog.get_logger()


def main() -> int:
    settings, storage = ResultsSettings(), StorageSettings()
    with (
        closing(database_of(DatabaseSettings(), storage)) as database,
        closing(tracer_of(TelemetrySettings(), "results")) as tracer,
    ):
        serve(settings, storage, database, tracer)
    return 0


def serve(settings: ResultsSettings, storage: StorageSettings, database: Database, tracer: Tracer) -> None:
    admission = admission_of(settings, SqlKeyStore(database), database.clock)
    app = results_app(
        database,
        blobs_of(storage),
        admission=admission,
        requests_per_minute=settings.requests_per_minute,
        cors_origins=settings.cors_origins,
        tracer=tracer,
    )
    log.info("results.starts", keyless=settings.keyless)
    server_of(app, host=settings.host, port=settings.port, trusted_proxies=settings.trusted_proxies).run()


if __name__ == "__main__":
    sys.exit(run_service(main))
