"""`python -m services.gateway`: run the gateway until SIGTERM."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial

import structlog

from services.gateway.app import create_app
from services.gateway.assemble import Deployment, assemble
from services.gateway.first_key import ARGUMENT, make_first_key, show_in_log
from shared.domain.governance import NOTICE
from shared.infra.queue_celery import CeleryQueue
from shared.infra.settings import DatabaseSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_database_for
from shared.infra.telemetry import TelemetrySettings, make_tracer
from shared.infra.web.listener import bound_sockets, make_server

log = structlog.get_logger()


def main(arguments: list[str]) -> int:
    deployment = Deployment.from_environment()
    settings = deployment.gateway
    first_key = ARGUMENT in arguments and not settings.keyless
    with (
        closing(CeleryQueue(deployment.redis, deployment.queue)) as queue,
        closing(open_database_for(DatabaseSettings(), deployment.storage)) as database,
        closing(make_tracer(TelemetrySettings(), "gateway")) as tracer,
    ):
        app = create_app(assemble(deployment, database, queue, tracer, first_key=first_key))
        sockets = bound_sockets(settings.host, settings.port)
        if first_key:  # last, so that no later step can abort the start
            make_first_key(deployment.storage.folder.expanduser(), database, show_in_log)
        log.info("gateway.started", modalities=list(deployment.governance.modalities), notice=NOTICE)
        server = make_server(app, host=settings.host, port=settings.port, trusted_proxies=settings.trusted_proxies)
        server.run(sockets=sockets)
    return 0


if __name__ == "__main__":
    sys.exit(run_service(partial(main, sys.argv[1:])))
