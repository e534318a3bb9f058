"""The dependencies of the gateway's routes, passed by the composition root or by a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from services.gateway.callbacks import CallbackEndpoints
from services.gateway.job_intake import JobIntake
from services.gateway.metrics import GatewayMetrics
from services.gateway.queue_notifier import QueueNotifier
from services.gateway.settings import GatewaySettings
from shared.domain.error import TooManyRequests
from shared.domain.tenant import AuditEntry
from shared.infra.blobs_counted import storage_full, storage_unavailable
from shared.infra.checks import ReadinessCheck
from shared.infra.disk import DiskSpace
from shared.infra.outbound import Outbound
from shared.infra.telemetry import NULL_TRACER, Tracer
from shared.infra.web.api_keys import Authenticator, Caller
from shared.infra.web.rate_limit import ConcurrencyLimit
from shared.infra.web.request_body import Body, BodyLimits
from shared.ports.jobs import JobStore
from shared.ports.keys import AuditLog, IdempotencyStore
from shared.ports.uploads import UploadStore
from shared.ports.webhooks import DeliveryStore, EndpointStore

Result = TypeVar("Result")
POLL_SECONDS = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Context:
    settings: GatewaySettings
    authenticator: Authenticator
    jobs: JobStore
    intake: JobIntake
    requests: IdempotencyStore
    uploads: UploadStore
    outbound: Outbound
    callbacks: CallbackEndpoints
    endpoints: EndpointStore
    deliveries: DeliveryStore
    audit: AuditLog
    queue_notifier: QueueNotifier
    disk: DiskSpace
    metrics: GatewayMetrics
    checks: Mapping[str, ReadinessCheck]
    clock: Callable[[], datetime]
    uploads_per_key: ConcurrencyLimit
    uploads_in_total: ConcurrencyLimit
    event_streams: ConcurrencyLimit
    upload_threads: anyio.CapacityLimiter
    tracer: Tracer = NULL_TRACER

    @property
    def max_bytes(self) -> int:
        return self.settings.max_upload_mb << 20

    def body_of(self, request: Request) -> Body:
        """The request's body within this deployment's limits; rejected immediately if Content-Length exceeds them."""
        limits = BodyLimits(
            max_bytes=self.max_bytes,
            idle_seconds=self.settings.idle_seconds,
            min_bytes_per_second=self.settings.min_bytes_per_second,
        )
        body = Body(request.receive, request.headers, limits)
        if not self.disk.has_space(body.claimed or 0):
            raise storage_full()
        return body

    def require_storage(self) -> None:
        """Raise unless storage is available. Call it before a body is read, and in a thread, because it may block."""
        if not self.checks["storage"].passes():
            raise storage_unavailable()

    async def upload(self, caller: Caller, work: Callable[[], Result]) -> Result:
        """Run code that reads a large body in the upload threads, so that uploads never delay other requests."""
        with await self._acquire_upload_slot(caller), self.metrics.track_upload():
            return await anyio.to_thread.run_sync(work, limiter=self.upload_threads)

    async def _acquire_upload_slot(self, caller: Caller) -> ExitStack:
        """Wait for a free upload slot; the body stays unread while the request waits, which costs almost nothing."""
        until = anyio.current_time() + self.settings.upload_wait_seconds
        while True:
            try:
                with ExitStack() as stack:
                    stack.enter_context(self.uploads_per_key.acquire(caller.id))
                    stack.enter_context(self.uploads_in_total.acquire("all"))
                    return stack.pop_all()
            except TooManyRequests:
                if anyio.current_time() >= until:
                    raise
            await anyio.sleep(POLL_SECONDS)

    def record_audit(self, caller: Caller, action: str, subject: str, **facts: str | bool | list[str] | None) -> None:
        """Write one entry of the audit log; facts never contain a recording's content."""
        self.audit.record(
            AuditEntry(
                tenant=caller.tenant,
                at=self.clock(),
                key_id=caller.key_id,
                action=action,
                subject=subject,
                details=facts,
                address=caller.address,
            )
        )
