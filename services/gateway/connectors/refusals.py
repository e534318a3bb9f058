"""Counts and logs the webhooks that a connector refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from fastapi.exceptions import RequestValidationError

from services.gateway.connectors.connector import Connector
from services.gateway.context import Context
from shared.domain.error import InvalidRequest, UndertoneError

log = structlog.get_logger()


@contextmanager
def counting_refusals(gateway: Context, connector: Connector) -> Iterator[None]:
    try:
        try:
            yield
        except ValueError:  # a value that has the right type but is invalid in a recording, such as a URL of megabytes
            raise InvalidRequest("The webhook describes a recording in an unknown form.") from None
    except (UndertoneError, RequestValidationError) as error:
        code = error.code if isinstance(error, UndertoneError) else InvalidRequest.code
        gateway.announcements.labels(connector.name, "refused").inc()
        log.warning("gateway.announcement_refused", connector=connector.name, code=code)
        raise
