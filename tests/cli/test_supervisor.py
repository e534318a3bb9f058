from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from services.cli.supervisor import ChildProcess, Supervisor
from shared.domain.error import InvalidSetting

WAITING = (sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)")
UNRESPONSIVE_SECONDS = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('begun', flush=True); time.sleep(60)",
)


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor({"COLOUR": "blue"}, tmp_path)
    yield made
    made.stop()


def begun(log: Path, times: int = 1) -> Callable[[], bool]:
    return lambda: log.exists() and log.read_text().count("begun") >= times


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pid_of(name: str, children: Supervisor) -> int:
    process = next(child.process for child in children._children if child.program.name == name)
    assert process is not None
    return process.pid


def test_what_dies_is_started_again_and_everything_ends_together(children: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    children.start(ChildProcess("one", WAITING, ready=begun(log)))
    stop = Event()
    first = pid_of("one", children)

    def play() -> None:
        os.kill(first, signal.SIGKILL)
        until(begun(log, times=2))
        stop.set()

    player = threading.Thread(target=play)
    player.start()
    children.watch(stop)
    player.join()
    second = pid_of("one", children)
    assert second != first
    children.stop()
    assert not Path("/proc", str(second)).exists()


def test_a_child_that_does_not_end_is_killed_after_its_grace(children: Supervisor, tmp_path: Path) -> None:
    children.start(ChildProcess("deaf", UNRESPONSIVE_SECONDS, grace_seconds=0.2, ready=begun(tmp_path / "deaf.log")))
    deaf = pid_of("deaf", children)
    children.stop()
    assert not Path("/proc", str(deaf)).exists()


def test_what_never_becomes_ready_says_where_its_reason_stands(children: Supervisor, tmp_path: Path) -> None:
    broken = (sys.executable, "-c", "raise SystemExit('no such thing')")
    with pytest.raises(InvalidSetting) as caught:
        children.start(ChildProcess("broken", broken, ready=lambda: False))
    assert str(tmp_path / "broken.log") in str(caught.value.hint)
    assert "no such thing" in (tmp_path / "broken.log").read_text()


def test_settings_that_cannot_be_used_are_not_tried_for_ever(children: Supervisor) -> None:
    children.start(ChildProcess("unset", (sys.executable, "-c", "raise SystemExit(78)")))
    with pytest.raises(InvalidSetting, match="cannot run with these settings"):
        children.watch(Event())


def test_children_have_the_settings_and_a_long_log_is_put_aside(children: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "env.log"
    with log.open("wb") as file:
        file.truncate(20 << 20)
    told = (sys.executable, "-c", "import os; print(os.environ['COLOUR'], 'begun', flush=True)")
    children.start(ChildProcess("env", told))
    until(begun(log))
    assert log.read_text().startswith("blue")
    assert (tmp_path / "env.log.1").stat().st_size == 20 << 20
