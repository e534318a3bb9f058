"""Contract tests of the reports of engines: one for each machine that is still there."""

from __future__ import annotations

from datetime import timedelta

from shared.domain.engine_report import EngineReport
from shared.infra.database.engine import Database
from shared.infra.database.engine_reports import SqlEngineReportStore
from tests.service_fakes import MINUTE, MovableClock


def report(host: str, clock: MovableClock) -> EngineReport:
    return EngineReport(host=host, at=clock.now, version="1", slots=(), weights=(), disks=())


def test_each_machine_has_its_last_report(database: Database, clock: MovableClock) -> None:
    store = SqlEngineReportStore(database)
    assert store.list() == ()
    store.replace(report("b", clock))
    first = report("a", clock)
    store.replace(first)
    clock.move(10 * MINUTE)
    last = report("b", clock)
    store.replace(last)
    assert store.list() == (first, last)
    assert store.is_recent("b", 5 * MINUTE) and not store.is_recent("a", 5 * MINUTE)
    clock.move(timedelta(days=1) - MINUTE)
    fresh = report("c", clock)
    store.replace(fresh)
    assert store.list() == (last, fresh), "a machine that has been silent for a day is forgotten"
