"""What the gateway's routes share, made from the deployment's settings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import anyio.to_thread
import structlog
from prometheus_client import Counter, Gauge
from pydantic import JsonValue
from starlette.requests import Request

from services.gateway.callbacks import CallbackEndpoints
from services.gateway.connectors.settings import ConnectorsSettings
from services.gateway.job_intake import JobIntake
from services.gateway.settings import GatewaySettings
from services.gateway.uploads_folder import FolderUploads
from services.gateway.work_metrics import WorkMetricsCollector
from shared.domain.error import InvalidSetting, TooManyRequests
from shared.domain.stage_plan import QUEUES
from shared.infra.address_rule import OutboundSettings
from shared.infra.checks import ReadinessCheck
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.engine import Database
from shared.infra.database.engine_reports import SqlEngineReportStore
from shared.infra.database.idempotency import SqlIdempotencyStore
from shared.infra.database.imports import SqlImportStore
from shared.infra.database.incoming_uploads import SqlIncomingUploadStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.metrics import SqlMetricsSource
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.disk import DiskSpace
from shared.infra.outbound import Outbound
from shared.infra.private_files import make_private_folder
from shared.infra.queue_celery import CeleryQueue
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.secret_encryption import SecretCipher, SecretSettings
from shared.infra.settings import GovernanceSettings, StorageSettings
from shared.infra.storage_errors import storage_full, storage_unavailable
from shared.infra.storage_factory import open_blob_store
from shared.infra.ticket_sender import TicketSender
from shared.infra.transcript_reader import open_transcripts
from shared.infra.web.authenticator import Caller
from shared.infra.web.rate_limit import ConcurrencyLimit
from shared.infra.web.request_body import Body, BodyLimits

log = structlog.get_logger()

Result = TypeVar("Result")
POLL_SECONDS = 0.05
MAX_WAITING_REQUESTS = 32  # per key
MAX_EVENT_STREAMS = 32  # concurrent event streams per key


@dataclass(frozen=True, slots=True)
class Deployment:
    """The settings that the gateway reads; by default from the environment."""

    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    governance: GovernanceSettings = field(default_factory=GovernanceSettings)
    outbound: OutboundSettings = field(default_factory=OutboundSettings)
    secrets: SecretSettings = field(default_factory=SecretSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    connectors: ConnectorsSettings = field(default_factory=ConnectorsSettings)


class Context:
    """The stores and limits of one process, and what several routes do with them."""

    def __init__(self, deployment: Deployment, database: Database, queue: CeleryQueue) -> None:
        settings, folder = deployment.gateway, deployment.storage.folder.expanduser()
        make_private_folder(folder)
        sealed = deployment.secrets.keys.get_secret_value()
        blobs = open_blob_store(deployment.storage, database)
        self.settings, self.clock = settings, database.clock
        self.deployment = deployment
        self.max_bytes = settings.max_upload_mb << 20
        self.disk = DiskSpace(folder, deployment.storage.reserve_mb << 20)
        self.outbound = Outbound(deployment.outbound, loopback=settings.keyless)
        self.jobs = SqlJobStore(database)
        self.transcripts = open_transcripts(database, blobs)
        self.audit = SqlAuditLog(database)
        self.requests = SqlIdempotencyStore(database)
        self.imports = SqlImportStore(database)
        self.keys = SqlKeyStore(database)
        self.engines = SqlEngineReportStore(database)
        self.endpoints = SqlEndpointStore(database)
        self.deliveries = SqlDeliveryStore(database)
        self.uploads = FolderUploads(folder / "uploads", self.disk, self.clock)
        cipher = SecretCipher.from_settings(deployment.secrets) if sealed else None
        self.callbacks = CallbackEndpoints(self.endpoints, self.outbound, cipher, self.clock)
        self.intake = JobIntake(
            jobs=self.jobs,
            blobs=blobs,
            incoming_uploads=SqlIncomingUploadStore(database),
            audit=self.audit,
            callbacks=self.callbacks,
            governance=deployment.governance,
            clock=self.clock,
            max_bytes=self.max_bytes,
            reserved_bytes=self.uploads.reserved_bytes,
            gpu=deployment.queue.gpu,
            max_stored_bytes=settings.quota_mb << 20 if settings.quota_mb else None,
        )
        self._tickets = TicketSender(SqlWorkQueue(database), queue, deployment.queue.max_waiting)
        self.checks = {
            "queue": ReadinessCheck("queue", lambda: queue.waiting(QUEUES[0])),
            "disk": ReadinessCheck("disk", self.disk.has_space),
            "storage": self.transcripts.storage,
        }
        self.waiting_requests = ConcurrencyLimit(MAX_WAITING_REQUESTS, "requests that wait for a transcript")
        self.event_streams = ConcurrencyLimit(MAX_EVENT_STREAMS, "event streams")
        self._uploads_per_key = ConcurrencyLimit(settings.max_uploads_per_key, "uploads")
        self._uploads_in_total = ConcurrencyLimit(settings.max_uploads, "uploads")
        self._upload_threads = anyio.CapacityLimiter(settings.max_uploads)
        self._uploads_in_progress = Gauge("undertone_gateway_uploads", "Uploads in progress", registry=None)
        self.queued_jobs = Counter("undertone_gateway_jobs", "Jobs that were queued", registry=None)
        work_metrics = WorkMetricsCollector(SqlMetricsSource(database).read)
        self.announcements = Counter(
            "undertone_gateway_announcements", "Webhooks of platforms", ["connector", "result"], registry=None
        )
        self.import_results = Counter(
            "undertone_gateway_imports", "Attempts to import a recording", ["connector", "result"], registry=None
        )
        self.collectors = (
            self._uploads_in_progress,
            self.queued_jobs,
            self.announcements,
            self.import_results,
            work_metrics,
        )

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
        with await self._acquire_upload_slot(caller), self._uploads_in_progress.track_inprogress():
            return await anyio.to_thread.run_sync(work, limiter=self._upload_threads)

    async def _acquire_upload_slot(self, caller: Caller) -> ExitStack:
        """Wait for a free upload slot; the body stays unread while the request waits, which costs almost nothing."""
        until = anyio.current_time() + self.settings.upload_wait_seconds
        while True:
            try:
                with ExitStack() as stack:
                    stack.enter_context(self._uploads_per_key.acquire(caller.id))
                    stack.enter_context(self._uploads_in_total.acquire("all"))
                    return stack.pop_all()
            except TooManyRequests:
                if anyio.current_time() >= until:
                    raise
            await anyio.sleep(POLL_SECONDS)

    def send_tickets(self) -> None:
        """Send the first stages of a new job. This only reduces latency: the dispatcher sends what is not sent now."""
        try:
            self._tickets.send_pending()
        # Any error of the broker's client: the job is stored in the database, and the client has its response.
        except Exception as error:  # noqa: BLE001
            log.warning("gateway.queue_unreachable", error=type(error).__name__)

    def record_audit(self, caller: Caller, action: str, subject: str, **details: JsonValue) -> None:
        self.audit.record(caller.audit_entry(self.clock(), action, subject, **details))


def require_key(settings: GatewaySettings, database: Database) -> None:
    """Raise if nobody could use the gateway."""
    if not settings.keyless and not SqlKeyStore(database).any_usable():
        raise InvalidSetting(
            "There is no API key, so nobody could use the gateway.", hint="Create one with `undertone keys create`."
        )
