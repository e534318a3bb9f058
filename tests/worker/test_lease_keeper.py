from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.worker.lease_keeper import CancelReason, LeaseKeeper, StageCancelled
from shared.domain.work import Claim
from shared.engines.catalog import Setup
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


def works_until_stopped(hold: LeaseKeeper) -> CancelReason:
    """A stage that sleeps in the system, as one does that waits for its decoder."""
    with hold.heartbeat():
        try:
            with hold.stoppable():
                time.sleep(20)
        except StageCancelled as stop:
            return stop.reason
    raise AssertionError("nobody stopped it")


def test_a_lease_is_extended_while_the_stage_runs(harness: WorkerHarness, claim: Claim) -> None:
    hold = LeaseKeeper(harness.runner.work, claim, lease=timedelta(seconds=0.3), poll_seconds=0.05)
    before = harness.stage(claim.job_id, "decode").lease_until
    harness.later(1)
    with hold.heartbeat(), hold.stoppable():
        time.sleep(0.4)
    after = harness.stage(claim.job_id, "decode").lease_until
    assert before is not None and after is not None
    assert after != before


def test_a_database_that_stays_away_costs_the_lease(harness: WorkerHarness, claim: Claim) -> None:
    """Longer than the lease: somebody else may have the stage by now, so nothing more is written."""

    class Away:
        def __getattr__(self, name: str) -> Any:
            raise ConnectionError

    hold = LeaseKeeper(Away(), claim, lease=timedelta(seconds=0.4), poll_seconds=0.05)
    began = time.monotonic()
    assert works_until_stopped(hold) is CancelReason.LEASE_LOST
    assert 0.3 < time.monotonic() - began < 10
    with pytest.raises(StageCancelled):
        hold.check()


def test_a_short_absence_of_the_database_costs_nothing(harness: WorkerHarness, claim: Claim) -> None:
    class Shaky:
        failures = 2

        def __getattr__(self, name: str) -> Any:
            if self.failures:
                self.failures -= 1
                raise ConnectionError
            return getattr(harness.runner.work, name)

    hold = LeaseKeeper(Shaky(), claim, lease=LEASE, poll_seconds=0.05)
    with hold.heartbeat(), hold.stoppable():
        time.sleep(0.4)
    assert hold.cancel_reason is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_worker_that_is_told_to_end_stops_its_stage(
    harness: WorkerHarness, claim: Claim, number: signal.Signals
) -> None:
    hold = LeaseKeeper(harness.runner.work, claim, lease=LEASE, poll_seconds=5)
    before = signal.getsignal(number)
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
    assert works_until_stopped(hold) is CancelReason.SHUTTING_DOWN
    assert signal.getsignal(number) == before


def test_what_was_told_before_the_stage_began_stops_it_at_once(harness: WorkerHarness, claim: Claim) -> None:
    hold = LeaseKeeper(harness.runner.work, claim, lease=LEASE, poll_seconds=5)
    with hold.heartbeat():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(StageCancelled), hold.stoppable():
            raise AssertionError("it began")
