"""The faults. Each is a function that causes the fault, checks that it happened, and returns when it is over."""

from __future__ import annotations

import errno
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import httpx
import psycopg

from tests.chaos.backends import PROXY_PORT, Backend, PostgresAndS3, wait_for
from tests.chaos.proxy import ProxyMode

Fault = Callable[[], None]
HOUR = 3600


class FaultMissing(Exception):
    """The fault did not happen, so the service was not tested."""


def faults_of(backend: Backend, draw: random.Random) -> dict[str, Fault]:
    names = {"worker": "services.worker", "Redis": "server", "web": "services.cli.web", "courier": "services.courier"}
    names["dispatcher"] = "services.dispatcher"
    found: dict[str, Fault] = {
        f"{name} killed": partial(_killed, backend, process, draw) for name, process in names.items()
    }
    found["all workers killed"] = partial(_killed, backend, "services.worker", None)
    found["every process killed"] = partial(_everything_killed, backend)
    found["disk full for 8 s"] = partial(_disk_full, backend, 8.0)
    found["clock an hour forward"] = partial(_clock_shifted, backend, HOUR)
    found["clock an hour back"] = partial(_clock_shifted, backend, -HOUR)
    if isinstance(backend, PostgresAndS3):  # its workers may run on several machines
        found["a worker's clock an hour ahead, 15 s"] = partial(_worker_with_other_clock, backend, HOUR, 15.0)
        found["a worker's clock an hour behind, 15 s"] = partial(_worker_with_other_clock, backend, -HOUR, 15.0)
        found["database connections ended for 5 s"] = partial(_connections_ended, backend, 5.0)
        found["database stopped for 8 s"] = partial(_database_stopped, backend, 8.0)
        for mode in (ProxyMode.REFUSE, ProxyMode.HANG, ProxyMode.CUT):
            found[f"storage: {mode} for 8 s"] = partial(_storage_fails, backend, mode, 8.0)
    else:
        found["database locked for 5 s"] = partial(_database_locked, backend, 5.0)
        found["database locked for 35 s"] = partial(_database_locked, backend, 35.0)
        found["storage read-only for 8 s"] = partial(_storage_read_only, backend, 8.0)
    return found


def _killed(backend: Backend, process: str, draw: random.Random | None) -> None:
    """Kill one of the processes, or all of them without `draw`; the supervisor starts them again."""
    wait_for(process, lambda: backend.processes(process))
    alive = backend.processes(process)
    victims = [draw.choice(alive)] if draw else alive
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    wait_for("the kill", lambda: not set(victims) & set(backend.processes(process)), 10)


def _everything_killed(backend: Backend) -> None:
    backend.kill_everything()
    if backend.ready():
        raise FaultMissing("the killed service answers")
    backend.start()


def _disk_full(backend: Backend, seconds: float) -> None:
    """Fill the file system of the data again and again, because the service frees some of it."""
    filler = backend.data / "filler"
    until, refused = time.monotonic() + seconds, False
    try:
        with filler.open("ab", buffering=0) as file:
            while time.monotonic() < until:
                try:
                    while True:
                        file.write(bytes(1 << 16))
                except OSError as error:
                    refused = refused or error.errno == errno.ENOSPC
                time.sleep(0.05)
        if not refused:
            raise FaultMissing("the disk is not full")
    finally:
        filler.unlink()


def _clock_shifted(backend: Backend, seconds: int) -> None:
    """The clock of all processes jumps, and stays there."""
    shift = _shift_of(backend.clock) + seconds
    _set_shift(backend.clock, shift)
    if abs(_clock_of(backend) - time.time() - shift) > 5:
        raise FaultMissing("the clock did not jump")


def _worker_with_other_clock(backend: Backend, seconds: int, duration: float) -> None:
    """One more worker, whose clock differs from that of the other processes; it takes part in the work."""
    wait_for("a worker", lambda: backend.processes("services.worker"))
    like = Path("/proc", str(backend.processes("services.worker")[0]), "environ").read_bytes().decode()
    other = backend.folder / "other-clock"
    _set_shift(other, _shift_of(backend.clock) + seconds)
    environment = dict(pair.split("=", 1) for pair in like.split("\0") if pair)
    environment |= {"UNDERTONE_CHAOS_CLOCK": str(other), "UNDERTONE_HEARTBEAT_FILE": str(backend.folder / "alive")}
    log = backend.folder / "other-worker.log"
    log.unlink(missing_ok=True)
    with log.open("wb") as out:
        worker = subprocess.Popen([sys.executable, "-m", "services.worker"], env=environment, stdout=out, stderr=out)
    try:
        wait_for("a claim of the other worker", lambda: b"worker.stage_claimed" in log.read_bytes(), 60)
        time.sleep(duration)
    finally:
        worker.kill()
        worker.wait()
    # The restarted worker deletes the scratch folder of the killed one.
    os.kill(backend.processes("services.worker")[0], signal.SIGTERM)


def _database_locked(backend: Backend, seconds: float) -> None:
    path = backend.data / "undertone.db"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        other = closing(sqlite3.connect(path, isolation_level=None, timeout=0))
        with other as refused, suppress(sqlite3.OperationalError):
            refused.execute("BEGIN IMMEDIATE")
            raise FaultMissing("the database is not locked")
        time.sleep(seconds)
        connection.execute("ROLLBACK")


def _connections_ended(backend: PostgresAndS3, seconds: float) -> None:
    ended, until = 0, time.monotonic() + seconds
    with psycopg.connect(backend.database_url, autocommit=True) as connection:
        while time.monotonic() < until:
            ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            ended += len(connection.execute(f"{ending} AND backend_type = 'client backend'").fetchall())
            time.sleep(0.1)
    if not ended:
        raise FaultMissing("there was no connection")


def _database_stopped(backend: PostgresAndS3, seconds: float) -> None:
    backend.database.send_signal(signal.SIGQUIT)  # aborts every transaction
    backend.database.wait()
    with suppress(psycopg.OperationalError):
        psycopg.connect(backend.database_url).close()
        raise FaultMissing("the database answers")
    time.sleep(seconds)
    backend.start_database()


def _storage_read_only(backend: Backend, seconds: float) -> None:
    blobs = backend.data / "blobs"
    # Files that are open for writing prevent it until they are closed.
    wait_for("read-only storage", lambda: _remounts(blobs, "ro"))
    with suppress(OSError):
        (blobs / "probe").touch()
        raise FaultMissing("storage is writable")
    time.sleep(seconds)
    wait_for("writable storage", lambda: _remounts(blobs, "rw"))


def _storage_fails(backend: PostgresAndS3, mode: ProxyMode, seconds: float) -> None:
    backend.proxy.switch(mode)
    with suppress(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{PROXY_PORT}/undertone?list-type=2", timeout=2)
        raise FaultMissing("storage answers")
    time.sleep(seconds)
    backend.proxy.switch(ProxyMode.PASS)


def _remounts(folder: Path, mode: str) -> bool:
    command = ["mount", "-o", f"remount,bind,{mode}", str(folder)]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


def _shift_of(clock: Path) -> int:
    return int.from_bytes(clock.read_bytes(), sys.byteorder, signed=True)


def _set_shift(clock: Path, seconds: int) -> None:
    with clock.open("r+b" if clock.exists() else "wb", buffering=0) as file:  # in place, because processes map it
        file.write(seconds.to_bytes(8, sys.byteorder, signed=True))


def _clock_of(backend: Backend) -> float:
    """The time in a process with the service's environment."""
    said = subprocess.check_output([sys.executable, "-c", "import time; print(time.time())"], env=backend.environment)
    return float(said)
