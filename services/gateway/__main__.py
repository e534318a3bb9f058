"""`python -m services.gateway`: answer requests until SIGTERM."""

from __future__ import annotations

import sys

import structlog

from services.gateway.app import create_app
from services.gateway.assemble import Deployment, assemble
from shared.domain.governance import NOTICE
from shared.infra.queue_celery import CeleryQueue
from shared.infra.settings import DatabaseSettings
from shared.infra.startup import run_service
from shared.infra.state import database_of
from shared.infra.telemetry import TelemetrySettings, tracer_of
from shared.infra.web.listener import server_of

log = structlog.get_logger()


def main() -> int:
    deployment = Deployment.from_environment()
    queue = CeleryQueue(deployment.redis, deployment.queue)
    database = database_of(DatabaseSettings(), deployment.storage)
    tracer = tracer_of(TelemetrySettings(), "gateway")
    app = create_app(assemble(deployment, database, queue, tracer))
    log.info("gateway.starts", modalities=list(deployment.governance.modalities), notice=NOTICE)
    settings = deployment.gateway
    server_of(app, host=settings.host, port=settings.port, trusted_proxies=settings.trusted_proxies).run()
    tracer.close()
    queue.close()
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(run_service(main))
