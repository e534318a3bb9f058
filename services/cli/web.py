"""`python -m services.cli.web`: serves gateway and results as one application."""

from __future__ import annotations

import sys
from contextlib import closing

import structlog
from fastapi import FastAPI

from services.gateway.app import gateway_service
from services.gateway.context import Context, Deployment, require_key
from services.results.app import results_services
from services.results.settings import FeatureSettings
from shared.domain.governance import NOTICE
from shared.infra.database.engine import Database
from shared.infra.queue_celery import CeleryQueue
from shared.infra.settings import DatabaseSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_blob_store, open_database_for
from shared.infra.telemetry import NULL_TRACER, TelemetrySettings, Tracer, make_tracer
from shared.infra.web.application import create_application
from shared.infra.web.garbage_collection import collect_less_often
from shared.infra.web.listener import make_server

log = structlog.get_logger()


def create_web(deployment: Deployment, database: Database, queue: CeleryQueue, tracer: Tracer = NULL_TRACER) -> FastAPI:
    """The application of one machine; the gateway's settings apply to all routes."""
    require_key(deployment.gateway, database)
    blobs = open_blob_store(deployment.storage, database)
    services = [
        gateway_service(Context(deployment, database, queue)),
        *results_services(
            database,
            blobs,
            keyless=deployment.gateway.keyless,
            features=FeatureSettings(),
        ),
    ]
    redis_url = deployment.redis.url.get_secret_value()
    return create_application(services, deployment.gateway, database, redis_url=redis_url, tracer=tracer)


def main() -> int:
    deployment = Deployment()
    with (
        closing(CeleryQueue(deployment.redis, deployment.queue)) as queue,
        closing(open_database_for(DatabaseSettings(), deployment.storage)) as database,
        closing(make_tracer(TelemetrySettings(), "web")) as tracer,
    ):
        app = create_web(deployment, database, queue, tracer)
        log.info("serve.started", modalities=list(deployment.governance.modalities), notice=NOTICE)
        collect_less_often()
        make_server(app, deployment.gateway).run()
    return 0


if __name__ == "__main__":
    sys.exit(run_service(main))
