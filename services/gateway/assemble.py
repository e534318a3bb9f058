"""The composition root of the gateway: builds the context of its routes from the deployment's settings."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from services.gateway.context import Context
from services.gateway.metrics import GatewayMetrics
from services.gateway.queue_notifier import QueueNotifier
from services.gateway.settings import GatewaySettings
from services.gateway.work_metrics import WorkMetricsCollector
from shared.domain.error import InvalidSetting
from shared.infra.address_rule import OutboundSettings
from shared.infra.callbacks import CallbackEndpoints
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
from shared.infra.job_intake import JobIntake
from shared.infra.keys import ApiKeyVerifier
from shared.infra.outbound import Outbound
from shared.infra.queue_celery import CeleryQueue
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.secret_encryption import SecretCipher, SecretSettings
from shared.infra.settings import GovernanceSettings, StorageSettings
from shared.infra.storage_factory import open_blob_store
from shared.infra.telemetry import NULL_TRACER, Tracer
from shared.infra.ticket_sender import TicketSender
from shared.infra.uploads_folder import FolderUploads
from shared.infra.web.api_keys import KEYLESS_TENANT, Authenticator
from shared.infra.web.loopback import is_loopback
from shared.infra.web.rate_limit import ConcurrencyLimit

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


def assemble(
    deployment: Deployment,
    database: Database,
    queue: CeleryQueue,
    tracer: Tracer = NULL_TRACER,
    *,
    first_key: bool = False,
) -> Context:
    """With `first_key` the caller creates a key before it serves, so a missing key is no error."""
    settings, clock = deployment.gateway, database.clock
    keys, jobs, endpoints = SqlKeyStore(database), SqlJobStore(database), SqlEndpointStore(database)
    authenticator = _make_authenticator(settings, keys, database, first_key=first_key)
    folder = deployment.storage.folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    disk = DiskSpace(folder, deployment.storage.reserve_mb << 20)
    outbound = Outbound(deployment.outbound, loopback=authenticator.keyless)
    cipher = SecretCipher.from_settings(deployment.secrets) if deployment.secrets.keys.get_secret_value() else None
    callbacks = CallbackEndpoints(endpoints, outbound, cipher, clock)
    audit = SqlAuditLog(database)
    blobs = open_blob_store(deployment.storage)
    dispatcher = QueueNotifier(TicketSender(SqlWorkQueue(database), queue, deployment.queue.max_waiting))
    return Context(
        settings=settings,
        authenticator=authenticator,
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
        queue_notifier=dispatcher,
        disk=disk,
        metrics=GatewayMetrics(WorkMetricsCollector(SqlMetricsSource(database))),
        checks={
            "database": ReadinessCheck("database", lambda: keys.find("readyz")),
            "queue": ReadinessCheck("queue", dispatcher.is_reachable),
            "disk": ReadinessCheck("disk", disk.has_space),
            "storage": ReadinessCheck("storage", blobs.probe),
        },
        clock=clock,
        uploads_per_key=ConcurrencyLimit(settings.max_uploads_per_key, "uploads"),
        uploads_in_total=ConcurrencyLimit(settings.max_uploads, "uploads"),
        event_streams=ConcurrencyLimit(MAX_EVENT_STREAMS, "event streams"),
        upload_threads=anyio.CapacityLimiter(settings.max_uploads),
        tracer=tracer,
    )


def _make_authenticator(
    settings: GatewaySettings, keys: SqlKeyStore, database: Database, *, first_key: bool
) -> Authenticator:
    """Build the authenticator; refuse a configuration that is open to everybody or usable by nobody."""
    if settings.keyless:
        if not is_loopback(settings.host):
            raise InvalidSetting(
                "Without keys the gateway listens on a loopback address only.",
                hint="Set GATEWAY__HOST=127.0.0.1, or GATEWAY__KEYLESS=false; `undertone keys create` creates keys.",
            )
        keys.ensure_tenant(KEYLESS_TENANT, "this machine")
        return Authenticator(None)
    if not first_key and not keys.any_usable():
        raise InvalidSetting(
            "There is no API key, so nobody could use the gateway.", hint="Create one with `undertone keys create`."
        )
    return Authenticator(ApiKeyVerifier(keys, database.clock))
