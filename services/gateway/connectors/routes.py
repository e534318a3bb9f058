"""The routes of the connectors: one webhook for each platform, and the list of imports."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from services.gateway.connectors.connector import WebhookConnector
from services.gateway.connectors.imports import Imports
from services.gateway.connectors.refusals import counting_refusals
from services.gateway.dependencies import Gateway, JobReader
from shared.domain.error import InvalidSignature
from shared.domain.import_record import ImportStatus
from shared.infra.web.openapi import error_responses

PREFIX = "/v1/connectors"
MAX_BODY = 1 << 20  # a meeting with many participants has many files


class ImportView(BaseModel):
    id: str
    connector: str
    status: ImportStatus
    attempts: int
    error: str | None
    job_id: str | None
    created_at: datetime
    next_attempt_at: datetime | None
    finished_at: datetime | None


class ImportPage(BaseModel):
    items: tuple[ImportView, ...]
    next_cursor: str | None = None


class WebhookAnswer(BaseModel):
    accepted: bool


list_router = APIRouter(tags=["connectors"])


@list_router.get("/v1/imports", summary="List the recordings that connectors announced, newest first")
def list_imports(
    gateway: Gateway,
    caller: JobReader,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ImportPage:
    page = gateway.imports.list(caller.tenant, cursor=cursor, limit=limit)
    items = tuple(ImportView.model_validate(one.model_dump(include={*ImportView.model_fields})) for one in page.items)
    return ImportPage(items=items, next_cursor=page.next_cursor)


def path_of(connector: WebhookConnector) -> str:
    return f"{PREFIX}/{connector.name}"


def webhook_router(connector: WebhookConnector, imports: Imports) -> APIRouter:
    router = APIRouter(tags=["connectors"])

    @router.post(
        path_of(connector),
        summary=f"Webhook of {connector.name}",
        response_model=WebhookAnswer,
        responses=error_responses(InvalidSignature),
        operation_id=f"receive_{connector.name}",
        openapi_extra={"requestBody": {"required": True, "content": {"*/*": {"schema": {}}}}},
    )
    async def receive(request: Request, gateway: Gateway) -> Response:
        """The answer comes before any download: the announcement is stored, and its files are fetched afterwards."""
        body = await request.body()
        return await anyio.to_thread.run_sync(partial(_receive, request, gateway, body))

    def _receive(request: Request, gateway: Gateway, body: bytes) -> Response:
        with counting_refusals(gateway, connector):
            received = connector.verify_and_read(request.headers, body, gateway.clock())
        if received.recording is not None:
            imports.accept(connector, received.recording)
        return JSONResponse({"accepted": True} if received.answer is None else dict(received.answer))

    return router
