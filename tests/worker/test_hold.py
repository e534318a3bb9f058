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

from services.worker.hold import Hold, Stopped, Why
from shared.domain.work import Claim
from shared.engines.catalog import Setup
from tests.worker.workshop import Workshop

LEASE = timedelta(seconds=90)


@pytest.fixture
def shop(tmp_path: Path, setup: Setup) -> Iterator[Workshop]:
    made = Workshop.at(tmp_path, setup)
    yield made
    made.database.close()


@pytest.fixture
def claim(shop: Workshop) -> Claim:
    granted = shop.runner.work.claim(shop.submit(), "decode", "w1", LEASE)
    assert isinstance(granted, Claim)
    return granted


def works_until_stopped(hold: Hold) -> Why:
    """A stage that sleeps in the system, as one does that waits for its decoder."""
    with hold.beating():
        try:
            with hold.stoppable():
                time.sleep(20)
        except Stopped as stop:
            return stop.why
    raise AssertionError("nobody stopped it")


def test_a_lease_is_extended_while_the_stage_runs(shop: Workshop, claim: Claim) -> None:
    hold = Hold(shop.runner.work, claim, lease=timedelta(seconds=0.3), look=0.05)
    before = shop.stage(claim.job_id, "decode").lease_until
    shop.later(1)
    with hold.beating(), hold.stoppable():
        time.sleep(0.4)
    after = shop.stage(claim.job_id, "decode").lease_until
    assert before is not None and after is not None
    assert after != before


def test_a_database_that_stays_away_costs_the_lease(shop: Workshop, claim: Claim) -> None:
    """Longer than the lease: somebody else may have the stage by now, so nothing more is written."""

    class Away:
        def __getattr__(self, name: str) -> Any:
            raise ConnectionError

    hold = Hold(Away(), claim, lease=timedelta(seconds=0.4), look=0.05)
    began = time.monotonic()
    assert works_until_stopped(hold) is Why.LOST
    assert 0.3 < time.monotonic() - began < 10
    with pytest.raises(Stopped):
        hold.check()


def test_a_short_absence_of_the_database_costs_nothing(shop: Workshop, claim: Claim) -> None:
    class Shaky:
        failures = 2

        def __getattr__(self, name: str) -> Any:
            if self.failures:
                self.failures -= 1
                raise ConnectionError
            return getattr(shop.runner.work, name)

    hold = Hold(Shaky(), claim, lease=LEASE, look=0.05)
    with hold.beating(), hold.stoppable():
        time.sleep(0.4)
    assert hold.why is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_worker_that_is_told_to_end_stops_its_stage(shop: Workshop, claim: Claim, number: signal.Signals) -> None:
    hold = Hold(shop.runner.work, claim, lease=LEASE, look=5)
    before = signal.getsignal(number)
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
    assert works_until_stopped(hold) is Why.ENDING
    assert signal.getsignal(number) == before


def test_what_was_told_before_the_stage_began_stops_it_at_once(shop: Workshop, claim: Claim) -> None:
    hold = Hold(shop.runner.work, claim, lease=LEASE, look=5)
    with hold.beating():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped), hold.stoppable():
            raise AssertionError("it began")
