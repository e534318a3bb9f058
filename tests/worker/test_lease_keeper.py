from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.worker.lease_keeper import CancelReason, LeaseKeeper, StageCancelled
from shared.domain.job_record import JobRecord
from shared.domain.work import Claim
from shared.engines.catalog import Setup
from shared.infra.database.work import SqlWorkStore
from tests.worker.worker_harness import WorkerHarness

LEASE = timedelta(seconds=90)


@pytest.fixture
def harness(tmp_path: Path, setup: Setup) -> Iterator[WorkerHarness]:
    made = WorkerHarness.at(tmp_path, setup)
    yield made
    made.database.close()


@pytest.fixture
def claim(harness: WorkerHarness) -> Claim:
    granted = harness.runner.work.claim(harness.submit(), "decode", "w1", LEASE)
    assert isinstance(granted, Claim)
    return granted


class UnavailableStore(SqlWorkStore):
    """A work store whose database does not respond to the next calls."""

    failures = 1_000_000

    def extend(self, claim: Claim, lease: timedelta, *, progress: float | None = None) -> Claim:
        self._fail()
        return super().extend(claim, lease, progress=progress)

    def job(self, claim: Claim) -> JobRecord:
        self._fail()
        return super().job(claim)

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError


def works_until_stopped(lease: LeaseKeeper) -> CancelReason:
    """A stage that sleeps in a system call, like one that waits for its decoder."""
    with lease.heartbeat():
        try:
            with lease.stoppable():
                time.sleep(20)
        except StageCancelled as stop:
            return stop.reason
    raise AssertionError("the stage was not cancelled")


def test_a_lease_is_extended_while_the_stage_runs(harness: WorkerHarness, claim: Claim) -> None:
    lease = LeaseKeeper(harness.runner.work, claim, lease=timedelta(seconds=0.3), poll_seconds=0.05)
    before = harness.stage(claim.job_id, "decode").lease_until
    harness.later(1)
    with lease.heartbeat(), lease.stoppable():
        time.sleep(0.4)
    after = harness.stage(claim.job_id, "decode").lease_until
    assert before is not None and after is not None
    assert after != before


def test_a_long_database_outage_loses_the_lease(harness: WorkerHarness, claim: Claim) -> None:
    """After an outage longer than the lease another worker may have the stage, so nothing more is written."""
    store = UnavailableStore(harness.database)
    lease = LeaseKeeper(store, claim, lease=timedelta(seconds=0.4), poll_seconds=0.05)
    began = time.monotonic()
    assert works_until_stopped(lease) is CancelReason.LEASE_LOST
    assert 0.3 < time.monotonic() - began < 10
    with pytest.raises(StageCancelled):
        lease.check()


def test_a_short_database_outage_keeps_the_lease(harness: WorkerHarness, claim: Claim) -> None:
    store = UnavailableStore(harness.database)
    store.failures = 2
    lease = LeaseKeeper(store, claim, lease=LEASE, poll_seconds=0.05)
    with lease.heartbeat(), lease.stoppable():
        time.sleep(0.4)
    assert store.failures == 0
    lease.check()  # raises StageCancelled if the lease was given up


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_shutdown_cancels_the_stage(harness: WorkerHarness, claim: Claim, number: signal.Signals) -> None:
    lease = LeaseKeeper(harness.runner.work, claim, lease=LEASE, poll_seconds=5)
    before = signal.getsignal(number)
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
    assert works_until_stopped(lease) is CancelReason.SHUTTING_DOWN
    assert signal.getsignal(number) == before


def test_a_shutdown_before_the_stage_starts_cancels_it_immediately(harness: WorkerHarness, claim: Claim) -> None:
    lease = LeaseKeeper(harness.runner.work, claim, lease=LEASE, poll_seconds=5)
    with lease.heartbeat():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(StageCancelled), lease.stoppable():
            raise AssertionError("the stage started")
