"""`python -m services.courier`: run the courier until SIGTERM."""

from __future__ import annotations

import signal
import sys
from contextlib import closing
from datetime import timedelta
from functools import partial
from threading import Event

from services.courier.deliver import Deliverer
from services.courier.loop import Courier
from services.courier.maintenance import Maintenance
from services.courier.settings import CourierSettings, RetentionSettings
from shared.domain.retention import RetentionCategory
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.requests import SqlAuditLog, SqlIdempotencyStore
from shared.infra.database.retention import SqlRetentionStore
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.heartbeat import Heartbeat
from shared.infra.outbound import Outbound
from shared.infra.secret_encryption import SecretCipher, SecretSettings
from shared.infra.settings import DatabaseSettings, PublicSettings, StorageSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_blob_store, open_database_for
from shared.infra.telemetry import NULL_TRACER, TelemetrySettings, Tracer, make_tracer

LOOPBACK = "--loopback"


def assemble(database: Database, *, loopback: bool, tracer: Tracer = NULL_TRACER) -> Courier:
    """`loopback` allows callbacks to loopback addresses: for the one-machine mode, whose only user is local."""
    settings = CourierSettings()
    outbox = SqlOutbox(database)
    outbound = Outbound(OutboundSettings(), loopback=loopback)
    maintenance = Maintenance(
        work=SqlWorkQueue(database, public_url=PublicSettings().url),
        outbox=outbox,
        audit=SqlAuditLog(database),
        requests=SqlIdempotencyStore(database),
        blobs=open_blob_store(StorageSettings()),
        clock=database.clock,
        lost_after=timedelta(minutes=settings.lost_after_minutes),
        log_retention=timedelta(days=settings.log_days),
        jobs=SqlJobStore(database),
        expiry=SqlRetentionStore(database),
        retention_periods=retention_periods(RetentionSettings()),
    )
    deliverer = Deliverer(outbox, outbound, SecretCipher.from_settings(SecretSettings()), database.clock, tracer=tracer)
    return Courier(outbox, deliverer, maintenance, settings, Heartbeat.from_environment())


def retention_periods(retention: RetentionSettings) -> dict[RetentionCategory, timedelta | None]:
    return {
        RetentionCategory.MEDIA: timedelta(hours=retention.media_hours),
        RetentionCategory.ARTIFACTS: timedelta(days=retention.artifacts_days),
        RetentionCategory.TRANSCRIPT: timedelta(days=retention.transcript_days) if retention.transcript_days else None,
    }


def main(arguments: list[str]) -> int:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with (
        closing(make_tracer(TelemetrySettings(), "courier")) as tracer,
        closing(open_database_for(DatabaseSettings(), StorageSettings())) as database,
    ):
        assemble(database, loopback=LOOPBACK in arguments, tracer=tracer).run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(run_service(partial(main, sys.argv[1:])))
