"""What is on its way in leaves a trace, and gives signs of life; what gives none is found."""

from __future__ import annotations

from shared.infra.database.arrivals import SqlArrivalStore
from shared.infra.database.engine import Database
from tests.service_twins import MINUTE, MovableClock


def test_only_what_gave_no_sign_of_life_is_lost(database: Database, clock: MovableClock) -> None:
    store = SqlArrivalStore(database)
    for job_id, tenant in (("a", "ours"), ("b", "theirs"), ("c", "ours")):
        store.begin(tenant, job_id)
    clock.move(2 * MINUTE)
    store.renew("a")
    store.end("c")
    store.end("c")
    assert store.lost(clock.now - MINUTE) == (("theirs", "b"),)
    assert set(store.lost(clock.now + MINUTE)) == {("ours", "a"), ("theirs", "b")}
