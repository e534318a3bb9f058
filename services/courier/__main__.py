"""`python -m services.courier`: run the courier until SIGTERM."""

from __future__ import annotations

import signal
import sys
from contextlib import closing
from datetime import timedelta
from functools import partial
from threading import Event

from services.courier.deliver import Deliverer
from services.courier.house import House
from services.courier.loop import Courier
from services.courier.settings import CourierSettings, RetentionSettings
from shared.domain.retention import Kept
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.engine import Database
from shared.infra.database.expiry import SqlExpiry
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.requests import SqlAnsweredRequests, SqlAuditTrail
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.heartbeat import Heartbeat
from shared.infra.outbound import Outbound
from shared.infra.sealing import Sealer, SecretSettings
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.startup import run_service
from shared.infra.state import blobs_of, database_of
from shared.infra.telemetry import SILENT, TelemetrySettings, Tracer, tracer_of

LOOPBACK = "--loopback"


def assemble(database: Database, *, loopback: bool, tracer: Tracer = SILENT) -> Courier:
    """`loopback` is for the one-machine mode, whose only user may call back to programs beside it."""
    settings = CourierSettings()
    outbox = SqlOutbox(database)
    outbound = Outbound(OutboundSettings(), loopback=loopback)
    house = House(
        work=SqlWorkQueue(database),
        outbox=outbox,
        trail=SqlAuditTrail(database),
        requests=SqlAnsweredRequests(database),
        blobs=blobs_of(StorageSettings()),
        clock=database.clock,
        lost_after=timedelta(minutes=settings.lost_minutes),
        keep_log=timedelta(days=settings.log_days),
        jobs=SqlJobStore(database),
        expiry=SqlExpiry(database),
        keep=times_of(RetentionSettings()),
    )
    deliverer = Deliverer(outbox, outbound, Sealer.of(SecretSettings()), database.clock, tracer=tracer)
    return Courier(outbox, deliverer, house, settings, Heartbeat.from_environment())


def times_of(retention: RetentionSettings) -> dict[Kept, timedelta | None]:
    return {
        Kept.MEDIA: timedelta(hours=retention.media_hours),
        Kept.ARTIFACTS: timedelta(days=retention.artifacts_days),
        Kept.TRANSCRIPT: timedelta(days=retention.transcript_days) if retention.transcript_days else None,
    }


def main(arguments: list[str]) -> int:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with (
        closing(tracer_of(TelemetrySettings(), "courier")) as tracer,
        closing(database_of(DatabaseSettings(), StorageSettings())) as database,
    ):
        assemble(database, loopback=LOOPBACK in arguments, tracer=tracer).run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(run_service(partial(main, sys.argv[1:])))
