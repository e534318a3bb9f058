"""`python -m services.courier`: run the courier until SIGTERM."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial

from services.courier.deliver import Deliverer
from services.courier.loop import Courier
from services.courier.settings import CourierSettings
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.engine import Database
from shared.infra.database.outbox import SqlOutbox
from shared.infra.heartbeat import Heartbeat
from shared.infra.outbound import Outbound
from shared.infra.periodic import stop_event
from shared.infra.secret_encryption import SecretCipher, SecretSettings
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_database_for
from shared.infra.telemetry import NULL_TRACER, TelemetrySettings, Tracer, make_tracer

LOOPBACK = "--loopback"


def assemble(database: Database, *, loopback: bool, tracer: Tracer = NULL_TRACER) -> Courier:
    """`loopback` allows callbacks to loopback addresses: for the one-machine mode, whose only user is local."""
    outbox, clock = SqlOutbox(database), database.clock
    outbound = Outbound(OutboundSettings(), loopback=loopback)
    deliverer = Deliverer(outbox, outbound, SecretCipher.from_settings(SecretSettings()), clock, tracer=tracer)
    return Courier(outbox, deliverer, CourierSettings(), clock, Heartbeat.from_environment())


def main(arguments: list[str]) -> int:
    stop = stop_event()
    with (
        closing(make_tracer(TelemetrySettings(), "courier")) as tracer,
        closing(open_database_for(DatabaseSettings(), StorageSettings())) as database,
    ):
        assemble(database, loopback=LOOPBACK in arguments, tracer=tracer).run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(run_service(partial(main, sys.argv[1:])))
