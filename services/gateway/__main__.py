"""`python -m services.gateway`: run the gateway until SIGTERM."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial

import structlog

from services.gateway.app import gateway_service
from services.gateway.context import Context, Deployment, require_key
from services.gateway.first_key import ARGUMENT, make_first_key, show_in_log
from shared.domain.governance import NOTICE
from shared.infra.queue_celery import CeleryQueue
from shared.infra.settings import DatabaseSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_database_for
from shared.infra.telemetry import TelemetrySettings, make_tracer
from shared.infra.web.application import create_application
from shared.infra.web.garbage_collection import collect_less_often
from shared.infra.web.listener import bound_sockets, make_server

log = structlog.get_logger()


def main(arguments: list[str]) -> int:
    deployment = Deployment()
    settings = deployment.gateway
    with (
        closing(CeleryQueue(deployment.redis, deployment.queue)) as queue,
        closing(open_database_for(DatabaseSettings(), deployment.storage)) as database,
        closing(make_tracer(TelemetrySettings(), "gateway")) as tracer,
    ):
        service = gateway_service(Context(deployment, database, queue))
        app = create_application(
            [service], settings, database, redis_url=deployment.redis.url.get_secret_value(), tracer=tracer
        )
        sockets = bound_sockets(settings.host, settings.port)
        if ARGUMENT in arguments and not settings.keyless:  # last, so that no later step can abort the start
            make_first_key(deployment.storage.folder.expanduser(), database, show_in_log)
        require_key(settings, database)
        log.info("gateway.started", modalities=list(deployment.governance.modalities), notice=NOTICE)
        collect_less_often()
        make_server(app, settings).run(sockets=sockets)
    return 0


if __name__ == "__main__":
    sys.exit(run_service(partial(main, sys.argv[1:])))
