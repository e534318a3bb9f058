"""The gateway as a part of an application: its routes, and what it does while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Event

import anyio
import anyio.to_thread
import structlog
from starlette.middleware import Middleware

from services.gateway import (
    deliveries,
    engines,
    events,
    jobs,
    keys,
    list_events,
    recordings,
    service_routes,
    uploads,
    webhooks,
)
from services.gateway.compat.apis import enabled_apis
from services.gateway.connectors import routes as connector_routes
from services.gateway.connectors.enabled import open_connectors
from services.gateway.context import Context
from services.gateway.tus_headers import EXPOSED, PREFIX, TusProtocol
from shared.domain.job_request import JobRequestByUrl
from shared.infra.web.application import WebService

log = structlog.get_logger()

# `/v1/jobs/events` comes before the other jobs: it would be parsed as an id.
ROUTERS = (
    *(
        module.router
        for module in (
            recordings,
            uploads,
            list_events,
            jobs,
            events,
            webhooks,
            deliveries,
            keys,
            engines,
            service_routes,
        )
    ),
    connector_routes.list_router,
)
SWEEP_SECONDS = 300.0  # between deletions of expired uploads and of the files that killed processes left
BACKGROUND_SECONDS = 2.0
IMPORT_SECONDS = 1.0
PARALLEL_IMPORTS = 3


def gateway_service(context: Context) -> WebService:
    apis = enabled_apis(context.settings.compatible_apis)
    connectors = open_connectors(context)
    return WebService(
        name="gateway",
        context=context,
        routers=(*ROUTERS, *(api.router for api in apis), *connectors.routers),
        checks=context.checks,
        collectors=context.collectors,
        open_paths=(
            service_routes.SCHEMA,
            *(path for api in apis for path in api.open_paths),
            *connectors.open_paths,
        ),
        body_limits={
            recordings.PATH: None,
            PREFIX: None,
            **connectors.body_limits,
            **{path: limit for api in apis for path, limit in api.body_limits.items()},
        },
        dialects=[dialect for api in apis for dialect in api.dialects],
        exposed_headers=EXPOSED,
        middleware=(Middleware(TusProtocol),),
        models=(JobRequestByUrl,),
        background=(
            partial(_repeat, (context.intake.sweep, context.uploads.sweep), SWEEP_SECONDS),
            partial(
                _repeat, [partial(task, context) for api in apis for task in api.background_tasks], BACKGROUND_SECONDS
            ),
            *(partial(_repeat, [task], seconds) for task, seconds in connectors.background_tasks),
            *[partial(_repeat, [connectors.imports.run_due], IMPORT_SECONDS)] * PARALLEL_IMPORTS,
            partial(_stop_at_end, connectors.imports.stopping),
        ),
    )


async def _stop_at_end(stopping: Event) -> None:
    """Ends downloads when the service stops; the next start begins them again."""
    try:
        await anyio.sleep_forever()
    finally:
        stopping.set()


async def _repeat(tasks: Sequence[Callable[[], object]], seconds: float) -> None:
    while True:
        for task in tasks:
            try:
                await anyio.to_thread.run_sync(task)
            # The next round retries; a database outage must not end the gateway.
            except Exception as error:  # noqa: BLE001
                log.error("gateway.task_failed", error=type(error).__name__)  # noqa: TRY400
        await anyio.sleep(seconds)
