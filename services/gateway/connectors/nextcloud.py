"""Nextcloud Talk: receives what its recording server uploads, as Nextcloud itself does."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from services.gateway.connectors.connector import Connector
from services.gateway.connectors.imports import Imports
from services.gateway.connectors.refusals import counting_refusals
from services.gateway.connectors.settings import NextcloudSettings
from services.gateway.connectors.signatures import require_signature, same, sign, single
from services.gateway.context import Context
from services.gateway.dependencies import Gateway
from services.gateway.multipart_stream import FieldReader, PartLimits, boundary_of, read_parts
from shared.domain.error import LeaseLost, UndertoneError, UnsupportedContentType
from shared.domain.import_record import ImportRecord
from shared.infra.web.request_body import Body

# The paths of Nextcloud. `request-upload` is missing on purpose: after its 404 the recording server sends one request.
PREFIX = "/ocs/v2.php/apps/spreed/api/v1/recording/"
NOTIFICATIONS = f"{PREFIX}backend"
MIN_RANDOM, MAX_RANDOM = 32, 255
ANSWER: dict[str, Any] = {"ocs": {"meta": {"status": "ok", "statuscode": 200, "message": "OK"}, "data": []}}


class Nextcloud(Connector):
    name = "nextcloud"
    settings: NextcloudSettings

    def __init__(self, settings: NextcloudSettings) -> None:
        self.settings = settings

    def verify(self, request: Request, signed: bytes) -> str:
        """The random value of the request: the signature covers nothing else of an upload, so it is used once."""
        random = single(request.headers, "talk-recording-random")
        expected = sign(self.settings.secret.get_secret_value(), random.encode() + signed).hex()
        checksum = single(request.headers, "talk-recording-checksum")
        require_signature(same(checksum, expected), MIN_RANDOM <= len(random) <= MAX_RANDOM)
        return random

    def receive(
        self, imports: Imports, gateway: Context, request: Request, body: Body, token: str, random: str
    ) -> None:
        """Submit the uploaded file. The answer comes after the job, so the sender repeats what a crash has lost."""
        gateway.require_storage()
        tenant, lease = imports.tenant_of(self), uuid4().hex
        now = gateway.clock()
        record = ImportRecord(
            id=uuid4().hex, tenant=tenant, connector=self.name, next_attempt_at=None, lease=lease, created_at=now
        )
        if not gateway.imports.add(record, random):
            earlier = gateway.imports.find(tenant, self.name, random)
            created = earlier is not None and earlier.lease is not None and imports.has_job(tenant, earlier.lease)
            if created or not gateway.imports.take_over(tenant, self.name, random, lease):
                gateway.announcements.labels(self.name, "repeated").inc()
                return
        try:
            with gateway.intake.receive(imports.caller_of(self), body.claimed, job_id=lease) as incoming:
                blocks = incoming.with_heartbeat(body.blocks())
                limits = PartLimits()
                fields = FieldReader(limits)
                for part in read_parts(blocks, boundary_of(request.headers.get("content-type", "")), limits):
                    if part.name == "file":
                        incoming.put_recording(part.filename, part.blocks)
                    elif part.filename is None:
                        fields.read(part)
                    else:  # the times at which people spoke, which diarization finds itself
                        for _ in part.blocks:
                            pass
                if not gateway.imports.is_current(lease):
                    raise LeaseLost("The sender has repeated this upload.")
                incoming.submit(imports.request_of(self, {"conversation": token}))
        except UndertoneError as error:
            gateway.imports.finish(lease, error=error.code)
            raise
        gateway.imports.finish(lease, job_id=lease)
        gateway.queued_jobs.inc()
        gateway.announcements.labels(self.name, "accepted").inc()


def nextcloud_router(connector: Nextcloud, imports: Imports) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.post(PREFIX + "{token}/store")
    async def store(request: Request, gateway: Gateway, token: str) -> Response:
        with counting_refusals(gateway, connector):
            random = connector.verify(request, token.encode())
            if not request.headers.get("content-type", "").startswith("multipart/form-data"):
                hint = "Send the file in one request."
                raise UnsupportedContentType("This call takes multipart/form-data.", hint=hint)
        work = partial(connector.receive, imports, gateway, request, gateway.body_of(request), token, random)
        await gateway.upload(imports.caller_of(connector), work)
        return JSONResponse(ANSWER, background=BackgroundTask(gateway.send_tickets))

    @router.post(NOTIFICATIONS)
    async def notify(request: Request, gateway: Gateway) -> Response:
        """Recordings that start, stop or fail need no action."""
        body = await request.body()
        with counting_refusals(gateway, connector):
            connector.verify(request, body)
        return JSONResponse(ANSWER)

    return router
