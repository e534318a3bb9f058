"""What the gateway's routes share, made by the composition root or by a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import anyio
import anyio.to_thread
from prometheus_client import Counter, Gauge
from prometheus_client.registry import Collector
from pydantic import JsonValue
from starlette.requests import Request

from services.gateway.callbacks import CallbackEndpoints
from services.gateway.job_intake import JobIntake
from services.gateway.queue_notifier import QueueNotifier
from services.gateway.settings import GatewaySettings
from services.gateway.uploads_folder import FolderUploads
from shared.domain.error import TooManyRequests
from shared.infra.blobs_counted import storage_full, storage_unavailable
from shared.infra.checks import ReadinessCheck
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.requests import SqlAuditLog, SqlIdempotencyStore
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.disk import DiskSpace
from shared.infra.outbound import Outbound
from shared.infra.web.api_keys import Caller
from shared.infra.web.rate_limit import ConcurrencyLimit
from shared.infra.web.request_body import Body, BodyLimits

Result = TypeVar("Result")
POLL_SECONDS = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Context:
    settings: GatewaySettings
    jobs: SqlJobStore
    intake: JobIntake
    requests: SqlIdempotencyStore
    uploads: FolderUploads
    outbound: Outbound
    callbacks: CallbackEndpoints
    endpoints: SqlEndpointStore
    deliveries: SqlDeliveryStore
    audit: SqlAuditLog
    queue_notifier: QueueNotifier
    disk: DiskSpace
    checks: Mapping[str, ReadinessCheck]
    clock: Callable[[], datetime]
    uploads_per_key: ConcurrencyLimit
    uploads_in_total: ConcurrencyLimit
    event_streams: ConcurrencyLimit
    upload_threads: anyio.CapacityLimiter
    uploads_in_progress: Gauge
    queued_jobs: Counter
    work_metrics: Collector

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
        with await self._acquire_upload_slot(caller), self.uploads_in_progress.track_inprogress():
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

    def record_audit(self, caller: Caller, action: str, subject: str, **details: JsonValue) -> None:
        self.audit.record(caller.audit_entry(self.clock(), action, subject, **details))
