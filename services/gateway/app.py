"""The gateway as a part of an application: its routes, and what it does while it runs."""

from __future__ import annotations

from functools import partial

import anyio
import anyio.to_thread
import structlog
from starlette.middleware import Middleware

from services.gateway import deliveries, events, jobs, recordings, service_routes, uploads, webhooks
from services.gateway.context import Context
from services.gateway.tus_headers import EXPOSED, PREFIX, TusProtocol
from shared.domain.job_request import JobRequestByUrl
from shared.infra.web.application import WebService

log = structlog.get_logger()

ROUTERS = tuple(module.router for module in (recordings, uploads, jobs, events, webhooks, deliveries, service_routes))
SWEEP_SECONDS = 300.0


def gateway_service(context: Context) -> WebService:
    return WebService(
        name="gateway",
        context=context,
        routers=ROUTERS,
        checks=context.checks,
        collectors=context.collectors,
        open_paths=(service_routes.SCHEMA,),
        body_limits={recordings.PATH: None, PREFIX: None},
        exposed_headers=EXPOSED,
        middleware=(Middleware(TusProtocol),),
        models=(JobRequestByUrl,),
        background=(partial(_sweep, context),),
    )


async def _sweep(context: Context) -> None:
    """Delete expired uploads and the files that killed processes left, periodically."""
    while True:
        for task in (context.intake.sweep, context.uploads.sweep):
            try:
                await anyio.to_thread.run_sync(task)
            # The next round retries; a database outage must not end the gateway.
            except Exception as error:  # noqa: BLE001
                log.error("gateway.task_failed", error=type(error).__name__)  # noqa: TRY400
        await anyio.sleep(SWEEP_SECONDS)
