"""`python -m services.results`: serve transcripts until SIGTERM."""

from __future__ import annotations

import sys
from contextlib import closing

import structlog

from services.results.app import results_services
from services.results.settings import FeatureSettings, ResultsSettings
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_blob_store, open_database_for
from shared.infra.telemetry import TelemetrySettings, make_tracer
from shared.infra.web.application import create_application
from shared.infra.web.garbage_collection import collect_less_often
from shared.infra.web.listener import make_server

log = structlog.get_logger()


def main() -> int:
    settings, storage = ResultsSettings(), StorageSettings()
    with (
        closing(open_database_for(DatabaseSettings(), storage)) as database,
        closing(make_tracer(TelemetrySettings(), "results")) as tracer,
    ):
        blobs, features = open_blob_store(storage, database), FeatureSettings()
        services = results_services(database, blobs, keyless=settings.keyless, features=features)
        app = create_application(services, settings, database, tracer=tracer)
        log.info("results.started", keyless=settings.keyless)
        collect_less_often()
        make_server(app, settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(run_service(main))
