from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from shared.infra.periodic import PeriodicTasks, stop_event


@pytest.fixture
def own_signals() -> Iterator[None]:
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


def test_a_task_runs_at_once_and_then_after_its_interval() -> None:
    ran: list[str] = []
    tasks = PeriodicTasks("test.task_failed", (3600.0, lambda: ran.append("rare")), (0.0, lambda: ran.append("often")))
    tasks.run_due()
    tasks.run_due()
    assert ran == ["rare", "often", "often"]


def test_a_failing_task_is_logged_without_its_text_and_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran: list[str] = []

    def delete_data() -> None:
        raise OSError("/jobs/secret-name")

    PeriodicTasks("test.task_failed", (0.0, delete_data), (0.0, lambda: ran.append("other"))).run_due()
    said = capsys.readouterr().out
    assert ran == ["other"]
    assert "test.task_failed" in said and "delete_data" in said and "OSError" in said and "secret-name" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_stop_event(number: signal.Signals, own_signals: None) -> None:
    stop = stop_event()
    assert not stop.is_set()
    os.kill(os.getpid(), number)
    assert stop.wait(5)
