"""`python -m services.results`: serve transcripts until SIGTERM."""

from __future__ import annotations

import sys
from contextlib import closing

import structlog

from services.results.access import make_authenticator
from services.results.app import results_app
from services.results.settings import ResultsSettings
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_blob_store, open_database_for
from shared.infra.telemetry import TelemetrySettings, Tracer, make_tracer
from shared.infra.web.listener import make_server

log = structlog.get_logger()


def main() -> int:
    settings, storage = ResultsSettings(), StorageSettings()
    with (
        closing(open_database_for(DatabaseSettings(), storage)) as database,
        closing(make_tracer(TelemetrySettings(), "results")) as tracer,
    ):
        serve(settings, storage, database, tracer)
    return 0


def serve(settings: ResultsSettings, storage: StorageSettings, database: Database, tracer: Tracer) -> None:
    authenticator = make_authenticator(settings, SqlKeyStore(database), database.clock)
    app = results_app(
        database,
        open_blob_store(storage),
        authenticator=authenticator,
        requests_per_minute=settings.requests_per_minute,
        cors_origins=settings.cors_origins,
        tracer=tracer,
    )
    log.info("results.started", keyless=settings.keyless)
    make_server(app, host=settings.host, port=settings.port, trusted_proxies=settings.trusted_proxies).run()


if __name__ == "__main__":
    sys.exit(run_service(main))
