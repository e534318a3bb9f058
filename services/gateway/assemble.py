"""The composition root of the gateway: from a deployment's settings to everything that its routes work with."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from services.gateway.context import Context
from services.gateway.dispatch import Dispatcher
from services.gateway.figures import WorkFigures
from services.gateway.meters import Meters
from services.gateway.settings import GatewaySettings
from shared.domain.error import SettingUnusable
from shared.infra.address_rule import OutboundSettings
from shared.infra.callbacks import Callbacks
from shared.infra.checks import Check
from shared.infra.database.arrivals import SqlArrivalStore
from shared.infra.database.engine import Database
from shared.infra.database.figures import SqlFigures
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.requests import SqlAnsweredRequests, SqlAuditTrail
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.disk import DiskReserve
from shared.infra.intake import Intake
from shared.infra.keys import Doorkeeper
from shared.infra.outbound import Outbound
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.sealing import Sealer, SecretSettings
from shared.infra.settings import GovernanceSettings, StorageSettings
from shared.infra.state import blobs_of
from shared.infra.telemetry import SILENT, Tracer
from shared.infra.tickets import Tickets
from shared.infra.uploads_folder import FolderUploads
from shared.infra.web.api_keys import KEYLESS_TENANT, Admission
from shared.infra.web.loopback import is_loopback
from shared.infra.web.turnstile import Places
from shared.ports.queue import TicketQueue

WATCHERS = 32  # streams of events that one key may hold


@dataclass(frozen=True, slots=True)
class Deployment:
    """The settings that the gateway reads, room by room."""

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
    queue: TicketQueue,
    tracer: Tracer = SILENT,
    *,
    first_key: bool = False,
) -> Context:
    """With `first_key` the caller makes a key before it serves, so there need not be one yet."""
    settings, clock = deployment.gateway, database.clock
    keys, jobs, endpoints = SqlKeyStore(database), SqlJobStore(database), SqlEndpointStore(database)
    admission = _admission(settings, keys, database, first_key=first_key)
    folder = deployment.storage.folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    disk = DiskReserve(folder, deployment.storage.reserve_mb << 20)
    outbound = Outbound(deployment.outbound, loopback=admission.keyless)
    sealer = Sealer.of(deployment.secrets) if deployment.secrets.keys.get_secret_value() else None
    callbacks = Callbacks(endpoints, outbound, sealer, clock)
    audit = SqlAuditTrail(database)
    blobs = blobs_of(deployment.storage)
    dispatcher = Dispatcher(Tickets(SqlWorkQueue(database), queue, deployment.queue.most_waiting))
    return Context(
        settings=settings,
        admission=admission,
        jobs=jobs,
        intake=Intake(
            jobs=jobs,
            blobs=blobs,
            arrivals=SqlArrivalStore(database),
            audit=audit,
            callbacks=callbacks,
            governance=deployment.governance,
            clock=clock,
            most_bytes=settings.max_upload_mb << 20,
            gpu=deployment.queue.gpu,
            most_stored=settings.quota_mb << 20 if settings.quota_mb else None,
        ),
        requests=SqlAnsweredRequests(database),
        uploads=FolderUploads(folder / "uploads", disk, clock),
        outbound=outbound,
        callbacks=callbacks,
        endpoints=endpoints,
        deliveries=SqlDeliveryStore(database),
        audit=audit,
        dispatcher=dispatcher,
        disk=disk,
        meters=Meters(WorkFigures(SqlFigures(database))),
        checks={
            "database": Check("database", lambda: keys.find("readyz")),
            "queue": Check("queue", dispatcher.reachable),
            "disk": Check("disk", disk.has_room),
            "storage": Check("storage", blobs.probe),
        },
        clock=clock,
        places_per_key=Places(settings.uploads_per_key, "uploads"),
        places_in_all=Places(settings.uploads_in_all, "uploads"),
        watchers=Places(WATCHERS, "event streams"),
        upload_threads=anyio.CapacityLimiter(settings.uploads_in_all),
        tracer=tracer,
    )


def _admission(settings: GatewaySettings, keys: SqlKeyStore, database: Database, *, first_key: bool) -> Admission:
    """Who may come in; a door that anybody could use, or nobody, is not opened."""
    if settings.keyless:
        if not is_loopback(settings.host):
            raise SettingUnusable(
                "Without keys the gateway listens on a loopback address only.",
                mend="Set GATEWAY__HOST=127.0.0.1, or GATEWAY__KEYLESS=false; `undertone keys create` makes keys.",
            )
        keys.ensure_tenant(KEYLESS_TENANT, "this machine")
        return Admission(None)
    if not first_key and not keys.any_usable():
        raise SettingUnusable(
            "There is no key, so nobody could use the gateway.", mend="Make one with `undertone keys create`."
        )
    return Admission(Doorkeeper(keys, database.clock))
