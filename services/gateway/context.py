"""Everything that the gateway's routes work with, handed in by the composition root or by a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from services.gateway.dispatch import Dispatcher
from services.gateway.meters import Meters
from services.gateway.settings import GatewaySettings
from shared.domain.error import TooManyRequests
from shared.domain.tenant import AuditEntry
from shared.infra.blobs_counted import storage_full, storage_unavailable
from shared.infra.callbacks import Callbacks
from shared.infra.checks import Check
from shared.infra.disk import DiskReserve
from shared.infra.intake import Intake
from shared.infra.outbound import Outbound
from shared.infra.telemetry import SILENT, Tracer
from shared.infra.web.api_keys import Admission, Caller
from shared.infra.web.body import Body, BodyLimits
from shared.infra.web.turnstile import Places
from shared.ports.jobs import JobStore
from shared.ports.keys import AnsweredRequests, AuditTrail
from shared.ports.uploads import UploadStore
from shared.ports.webhooks import DeliveryStore, EndpointStore

Result = TypeVar("Result")
LOOK_AGAIN = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Context:
    settings: GatewaySettings
    admission: Admission
    jobs: JobStore
    intake: Intake
    requests: AnsweredRequests
    uploads: UploadStore
    outbound: Outbound
    callbacks: Callbacks
    endpoints: EndpointStore
    deliveries: DeliveryStore
    audit: AuditTrail
    dispatcher: Dispatcher
    disk: DiskReserve
    meters: Meters
    checks: Mapping[str, Check]
    clock: Callable[[], datetime]
    places_per_key: Places
    places_in_all: Places
    watchers: Places
    upload_threads: anyio.CapacityLimiter
    tracer: Tracer = SILENT

    @property
    def most_bytes(self) -> int:
        return self.settings.max_upload_mb << 20

    def body_of(self, request: Request) -> Body:
        """The request's body within this deployment's limits; refused at once where its length alone decides."""
        limits = BodyLimits(
            at_most=self.most_bytes,
            idle=self.settings.idle_seconds,
            least_rate=self.settings.least_bytes_per_second,
        )
        body = Body(request.receive, request.headers, limits)
        if not self.disk.has_room(body.claimed or 0):
            raise storage_full()
        return body

    def need_storage(self) -> None:
        """Before a body is read; to be called in a thread, for it may wait a moment."""
        if not self.checks["storage"].passes():
            raise storage_unavailable()

    async def upload(self, caller: Caller, work: Callable[[], Result]) -> Result:
        """Run what reads a large body in a thread of its own kind, so that uploads never hold up other requests."""
        with await self._place(caller), self.meters.uploading():
            return await anyio.to_thread.run_sync(work, limiter=self.upload_threads)

    async def _place(self, caller: Caller) -> ExitStack:
        """Whoever finds the house full waits at the door for a while: an unread body costs next to nothing."""
        until = anyio.current_time() + self.settings.upload_wait_seconds
        while True:
            try:
                with ExitStack() as stack:
                    stack.enter_context(self.places_per_key.taking(caller.who))
                    stack.enter_context(self.places_in_all.taking("all"))
                    return stack.pop_all()
            except TooManyRequests:
                if anyio.current_time() >= until:
                    raise
            await anyio.sleep(LOOK_AGAIN)

    def note(self, caller: Caller, action: str, subject: str, **facts: str | bool | list[str] | None) -> None:
        """One line in the audit trail; facts are ours, never content."""
        self.audit.note(
            AuditEntry(
                tenant=caller.tenant,
                at=self.clock(),
                key_id=caller.key_id,
                action=action,
                subject=subject,
                facts=facts,
                address=caller.address,
            )
        )
