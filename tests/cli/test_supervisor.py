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

from services.cli import supervisor as supervisor_module
from services.cli.supervisor import ChildProcess, Supervisor
from shared.domain.error import InvalidSetting

WAITING = (sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)")
UNRESPONSIVE_SECONDS = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('begun', flush=True); time.sleep(60)",
)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
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


def pid_of(name: str, supervisor: Supervisor) -> int:
    process = next(child.process for child in supervisor._children if child.program.name == name)
    assert process is not None
    return process.pid


def test_an_exited_program_is_restarted_and_all_programs_stop_together(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    supervisor.start(ChildProcess("one", WAITING, ready=begun(log)))
    stop = Event()
    first = pid_of("one", supervisor)

    def play() -> None:
        os.kill(first, signal.SIGKILL)
        until(begun(log, times=2))
        stop.set()

    player = threading.Thread(target=play)
    player.start()
    supervisor.watch(stop)
    player.join()
    second = pid_of("one", supervisor)
    assert second != first
    supervisor.stop()
    assert not Path("/proc", str(second)).exists()


def test_an_unresponsive_child_is_killed_after_its_grace(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(ChildProcess("deaf", UNRESPONSIVE_SECONDS, grace_seconds=0.2, ready=begun(tmp_path / "deaf.log")))
    deaf = pid_of("deaf", supervisor)
    supervisor.stop()
    assert not Path("/proc", str(deaf)).exists()


def test_a_program_that_never_becomes_ready_refers_to_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    broken = (sys.executable, "-c", "raise SystemExit('no such thing')")
    with pytest.raises(InvalidSetting) as caught:
        supervisor.start(ChildProcess("broken", broken, ready=lambda: False))
    assert str(tmp_path / "broken.log") in str(caught.value.hint)
    assert "no such thing" in (tmp_path / "broken.log").read_text()


def test_a_program_with_invalid_settings_is_not_restarted(supervisor: Supervisor) -> None:
    supervisor.start(ChildProcess("unset", (sys.executable, "-c", "raise SystemExit(78)")))
    with pytest.raises(InvalidSetting, match="cannot run with these settings"):
        supervisor.watch(Event())


def test_children_get_the_settings_and_a_long_log_is_rotated(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "env.log"
    with log.open("wb") as file:
        file.truncate(20 << 20)
    command = (sys.executable, "-c", "import os; print(os.environ['COLOUR'], 'begun', flush=True)")
    supervisor.start(ChildProcess("env", command))
    until(begun(log))
    assert log.read_text().startswith("blue")
    assert (tmp_path / "env.log.1").stat().st_size == 20 << 20


@pytest.mark.parametrize("touched_before", [True, False])
def test_a_program_without_a_heartbeat_is_killed_and_restarted(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, touched_before: bool
) -> None:
    monkeypatch.setattr(supervisor_module, "SILENCE_SECONDS", 1.0)
    log, heartbeat = tmp_path / "stuck.log", tmp_path / "stuck.alive"
    if touched_before:
        heartbeat.touch()
        os.utime(heartbeat, (0, 0))
    supervisor.start(ChildProcess("stuck", WAITING, ready=begun(log), heartbeat=heartbeat))
    first, stop = pid_of("stuck", supervisor), Event()

    def wait_for_restart() -> None:
        until(begun(log, times=2))
        stop.set()

    waiting = threading.Thread(target=wait_for_restart)
    waiting.start()
    supervisor.watch(stop)
    waiting.join()
    assert pid_of("stuck", supervisor) != first and not Path("/proc", str(first)).exists()


def test_a_program_with_a_heartbeat_goes_on(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "SILENCE_SECONDS", 1.5)
    # The wall clock jumps; only that it touches its file counts.
    beating = """
import itertools, os, pathlib, time
for beat in itertools.count(1):
    file = pathlib.Path(os.environ["UNDERTONE_HEARTBEAT_FILE"])
    file.touch()
    os.utime(file, (beat, beat))
    print("begun", flush=True)
    time.sleep(0.05)
"""
    command = (sys.executable, "-c", beating)
    log = tmp_path / "beats.log"
    supervisor.start(ChildProcess("beats", command, ready=begun(log), heartbeat=tmp_path / "beats.alive"))
    first, stop = pid_of("beats", supervisor), Event()
    threading.Timer(4, stop.set).start()
    supervisor.watch(stop)
    assert pid_of("beats", supervisor) == first
