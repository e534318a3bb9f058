"""Measures an idle service: memory and CPU of each process, and the CPU time of each health check.

python bench/idle.py [SECONDS]

Every process starts with the command of its container. The database is SQLite, or the one at DATABASE__URL.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.infra.secret_encryption import new_key
from tests.running_service import ROOT, Service

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
SETTLE = 15.0  # seconds between the last start and the first measurement
STARTED = {"gateway": "gateway", "results": "results", "courier": "courier", "dispatcher": "dispatcher"}
STARTED |= {"worker": "worker-cpu"}  # each with its name in docker-compose.yml
TICK = os.sysconf("SC_CLK_TCK")
CHECKS = 5
PORTS = {"GATEWAY__PORT": "18760", "RESULTS__PORT": "18761"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One process: kilobytes of memory and CPU seconds since its start."""

    name: str
    rss: int
    pss: int
    cpu: float


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder), settings=settings(Path(folder)))
        try:
            service.start_redis()
            for name in STARTED:
                set_heartbeat_file(service, name)
                service.start(name, "services.container", name)
                time.sleep(1)
                service.wait_for(f"{name}'s health", lambda name=name: check(service, name) is not None)
            time.sleep(SETTLE)
            before = {sample.name: sample for sample in samples(service)}
            time.sleep(SECONDS)
            after = {sample.name: sample for sample in samples(service)}
            show(before, after)
            for name in STARTED:
                costs = [check(service, name) for _ in range(CHECKS)]
                print(f"health {name:12} {sum(cost or 0 for cost in costs) / CHECKS:.3f} s of CPU")
        finally:
            service.kill_all()
            service.redis.remove_socket_folder()
            service.database.close()


def settings(folder: Path) -> dict[str, str]:
    defaults = ("QUEUE__SWEEP_SECONDS", "5"), ("WORKER__POLL_SECONDS", "2"), ("WORKER__LEASE_SECONDS", "90")
    found = {**dict(defaults), **PORTS, "SECRETS__KEYS": new_key()}
    found["DATABASE__URL"] = os.environ.get("DATABASE__URL") or f"sqlite:///{folder / 'undertone.db'}"
    return found


def set_heartbeat_file(service: Service, name: str) -> None:
    """Use a separate heartbeat file for each service, as in its container."""
    service.settings["UNDERTONE_HEARTBEAT_FILE"] = str(service.folder / f"{name}.beat")


def check(service: Service, name: str) -> float | None:
    """Return the CPU seconds of the health check in docker-compose.yml; None if the check fails."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    command = compose["services"][STARTED[name]]["healthcheck"]["test"]
    set_heartbeat_file(service, name)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *command[2:]], cwd=ROOT, env=service.environment(), check=False, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        return None
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def samples(service: Service) -> Iterator[Sample]:
    for name in STARTED:
        process = service.processes[name].pid
        yield sample(name, process)
        for number, child in enumerate(children(process)):
            yield sample(f"{name}, child {number + 1}", child)


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def sample(name: str, process: int) -> Sample:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    spent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return Sample(name, kilobytes["Rss"], kilobytes["Pss"], sum(map(int, spent)) / TICK)


def show(before: dict[str, Sample], after: dict[str, Sample]) -> None:
    print(f"{'process':20} {'RSS MiB':>8} {'PSS MiB':>8} {'CPU %':>6} {'CPU s to start':>15}")
    for name, now in after.items():
        used = (now.cpu - before[name].cpu) / SECONDS * 100
        print(f"{name:20} {now.rss / 1024:8.1f} {now.pss / 1024:8.1f} {used:6.2f} {before[name].cpu:15.2f}")
    memory, used = (sum(one.pss for one in after.values()), sum(one.cpu for one in after.values()))
    used = (used - sum(one.cpu for one in before.values())) / SECONDS * 100
    print(f"{'all':20} {'':8} {memory / 1024:8.1f} {used:6.2f}")


if __name__ == "__main__":
    main()
