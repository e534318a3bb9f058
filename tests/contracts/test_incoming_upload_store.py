"""Contract tests of incoming upload stores: heartbeats and abandoned uploads."""

from __future__ import annotations

from shared.infra.database.engine import Database
from shared.infra.database.incoming_uploads import SqlIncomingUploadStore
from tests.service_fakes import MINUTE, MovableClock


def test_only_uploads_without_a_heartbeat_are_abandoned(database: Database, clock: MovableClock) -> None:
    store = SqlIncomingUploadStore(database)
    for job_id, tenant in (("a", "ours"), ("b", "theirs"), ("c", "ours")):
        store.begin(tenant, job_id)
    clock.move(2 * MINUTE)
    store.heartbeat("a")
    store.end("c")
    store.end("c")
    assert store.abandoned(clock.now - MINUTE) == (("theirs", "b"),)
    assert set(store.abandoned(clock.now + MINUTE)) == {("ours", "a"), ("theirs", "b")}
