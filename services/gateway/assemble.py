"""The composition root of the gateway: builds the context of its routes from the deployment's settings."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from prometheus_client import Counter, Gauge

from services.gateway.callbacks import CallbackEndpoints
from services.gateway.context import Context
from services.gateway.job_intake import JobIntake
from services.gateway.queue_notifier import QueueNotifier
from services.gateway.settings import GatewaySettings
from services.gateway.uploads_folder import FolderUploads
from services.gateway.work_metrics import WorkMetricsCollector
from shared.domain.error import InvalidSetting
from shared.infra.address_rule import OutboundSettings
from shared.infra.checks import ReadinessCheck
from shared.infra.database.engine import Database
from shared.infra.database.incoming_uploads import SqlIncomingUploadStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.metrics import SqlMetricsSource
from shared.infra.database.requests import SqlAuditLog, SqlIdempotencyStore
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.disk import DiskSpace
from shared.infra.outbound import Outbound
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.secret_encryption import SecretCipher, SecretSettings
from shared.infra.settings import GovernanceSettings, StorageSettings
from shared.infra.storage_factory import open_blob_store
from shared.infra.ticket_sender import TicketSender
from shared.infra.web.rate_limit import ConcurrencyLimit
from shared.ports.queue import TicketQueue

MAX_EVENT_STREAMS = 32  # concurrent event streams per key


@dataclass(frozen=True, slots=True)
class Deployment:
    """The settings groups that the gateway reads."""

    gateway: GatewaySettings
    storage: StorageSettings
    governance: GovernanceSettings
    outbound: OutboundSettings
    secrets: SecretSettings
    redis: RedisSettings
    queue: QueueSettings

    @classmethod
    def from_environment(cls) -> Deployment:
        return cls(
            GatewaySettings(),
            StorageSettings(),
            GovernanceSettings(),
            OutboundSettings(),
            SecretSettings(),
            RedisSettings(),
            QueueSettings(),
        )


def assemble(deployment: Deployment, database: Database, queue: TicketQueue) -> Context:
    settings, clock = deployment.gateway, database.clock
    keys, jobs, endpoints = SqlKeyStore(database), SqlJobStore(database), SqlEndpointStore(database)
    folder = deployment.storage.folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    disk = DiskSpace(folder, deployment.storage.reserve_mb << 20)
    outbound = Outbound(deployment.outbound, loopback=settings.keyless)
    cipher = SecretCipher.from_settings(deployment.secrets) if deployment.secrets.keys.get_secret_value() else None
    callbacks = CallbackEndpoints(endpoints, outbound, cipher, clock)
    audit = SqlAuditLog(database)
    blobs = open_blob_store(deployment.storage)
    notifier = QueueNotifier(TicketSender(SqlWorkQueue(database), queue, deployment.queue.max_waiting))
    return Context(
        settings=settings,
        jobs=jobs,
        intake=JobIntake(
            jobs=jobs,
            blobs=blobs,
            incoming_uploads=SqlIncomingUploadStore(database),
            audit=audit,
            callbacks=callbacks,
            governance=deployment.governance,
            clock=clock,
            max_bytes=settings.max_upload_mb << 20,
            gpu=deployment.queue.gpu,
            max_stored_bytes=settings.quota_mb << 20 if settings.quota_mb else None,
        ),
        requests=SqlIdempotencyStore(database),
        uploads=FolderUploads(folder / "uploads", disk, clock),
        outbound=outbound,
        callbacks=callbacks,
        endpoints=endpoints,
        deliveries=SqlDeliveryStore(database),
        audit=audit,
        queue_notifier=notifier,
        disk=disk,
        checks={
            "database": ReadinessCheck("database", lambda: keys.find("readyz")),
            "queue": ReadinessCheck("queue", notifier.is_reachable),
            "disk": ReadinessCheck("disk", disk.has_space),
            "storage": ReadinessCheck("storage", blobs.probe),
        },
        clock=clock,
        uploads_per_key=ConcurrencyLimit(settings.max_uploads_per_key, "uploads"),
        uploads_in_total=ConcurrencyLimit(settings.max_uploads, "uploads"),
        event_streams=ConcurrencyLimit(MAX_EVENT_STREAMS, "event streams"),
        upload_threads=anyio.CapacityLimiter(settings.max_uploads),
        uploads_in_progress=Gauge("undertone_gateway_uploads", "Uploads in progress", registry=None),
        queued_jobs=Counter("undertone_gateway_jobs", "Jobs that were queued", registry=None),
        work_metrics=WorkMetricsCollector(SqlMetricsSource(database).read),
    )


def require_key(settings: GatewaySettings, database: Database) -> None:
    """Raise if nobody could use the gateway."""
    if not settings.keyless and not SqlKeyStore(database).any_usable():
        raise InvalidSetting(
            "There is no API key, so nobody could use the gateway.", hint="Create one with `undertone keys create`."
        )
