"""`python -m services.dispatcher`: run the dispatcher until SIGTERM."""

from __future__ import annotations

import sys
from contextlib import closing

from services.dispatcher.erasure import Erasure
from services.dispatcher.loop import Dispatcher
from services.dispatcher.stuck_work import StuckWork
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.heartbeat import Heartbeat
from shared.infra.periodic import stop_event
from shared.infra.queue_celery import CeleryQueue
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.retention_settings import RetentionSettings
from shared.infra.settings import DatabaseSettings, PublicSettings, StorageSettings
from shared.infra.startup import run_service
from shared.infra.storage_factory import open_blob_store, open_database_for
from shared.infra.ticket_sender import TicketSender


def main() -> int:
    stop = stop_event()
    settings, storage = QueueSettings(), StorageSettings()
    with (
        closing(CeleryQueue(RedisSettings(), settings)) as queue,
        closing(open_database_for(DatabaseSettings(), storage)) as database,
    ):
        work = SqlWorkQueue(database, public_url=PublicSettings().url)
        tickets = TicketSender(work, queue, settings.max_waiting)
        erasure = Erasure(database, open_blob_store(storage, database), RetentionSettings().periods)
        heartbeat = Heartbeat.from_environment()
        Dispatcher(tickets, StuckWork(tickets), erasure, settings.sweep_seconds, heartbeat).run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(run_service(main))
