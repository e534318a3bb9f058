"""`python -m tests.chaos`: load on the service while its parts fail in turn; prints the counts and the failures.

CHAOS_SECONDS limits the faults on each backend, and CHAOS_SEED repeats their order. CHAOS_BACKENDS and CHAOS_FAULTS
select some by a part of their names. The logs of a run in which something broke are kept in build/chaos.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.chaos.backends import Backend, PostgresAndS3, wait_for
from tests.chaos.faults import Fault, faults_of
from tests.chaos.load import Load, Receiver
from tests.running_service import ROOT, cut

INSIDE = "UNDERTONE_CHAOS_INSIDE"
RECOVERY_SECONDS = 180.0
NO_FAULT = "no fault"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def enter_namespaces() -> None:
    """Restart this program in its own mount, network and process namespaces, which end with it."""
    own = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid():
        own += ["--user", "--map-root-user"]
    os.environ[INSIDE] = "root" if os.geteuid() == 0 else "user"
    script = 'ip link set lo up && exec "$@"'
    os.execvp("unshare", [*own, "sh", "-c", script, "sh", sys.executable, "-m", "tests.chaos"])  # noqa: S606


def in_time(load: Load, what: str, true: Callable[[], object]) -> bool:
    """Wait until the condition is true; return False and record the failure if that takes too long."""
    try:
        wait_for(what, true, RECOVERY_SECONDS)
    except TimeoutError as error:
        load.broken.append(f"{error}; open jobs: {sorted(load.open_jobs)}")
        return False
    return True


def run_faults(load: Load, faults: dict[str, Fault], draw: random.Random, seconds: float) -> int:
    """Cause the faults in turn until the time is over; return how many were tried.

    The first round has no fault: it shows how long the jobs take.
    """
    in_time(load, "the first job", lambda: load.ended)
    until, order, tried = time.monotonic() + seconds, [NO_FAULT], -1
    while time.monotonic() < until:
        order = order or draw.sample(list(faults), len(faults))
        name, before = order.pop(), load.answers.copy()
        if name != NO_FAULT:
            faults[name]()
        over = time.monotonic()
        recovered = in_time(load, f"the recovery from: {name}", partial(load.recovered, over))
        seconds_taken = f"{time.monotonic() - over:6.1f} s" if recovered else "not yet"
        say(f"  {name:42} {seconds_taken}   {listed(load.answers - before)}")
        tried += 1
    return tried


def listed(answers: Counter[tuple[int, str]]) -> str:
    return ", ".join(f"{number} x {status or ''} {code}".strip() for (status, code), number in answers.items())


def check(load: Load, backend: Backend) -> list[str]:
    """Compare the accepted uploads with jobs, transcripts and webhooks; return the differences."""
    in_time(load, "the end of all jobs", lambda: not load.open_jobs)
    uploads = {job["id"]: job["metadata"]["upload"] for job in load.listed()}
    found = {job for job in uploads if load.request("GET", f"/v1/transcripts/{job}").is_success}
    receiver = load.receiver
    in_time(load, "the webhooks", lambda: set(uploads) <= set(receiver.events))
    wrong = {
        "lost": set(load.accepted.values()) - found,
        "doubled": {number for number, times in Counter(uploads.values()).items() if times > 1},
        "without a transcript": set(uploads) - found,
        "with two webhooks": {job for job, ids in receiver.events.items() if len(ids) > 1},
        "left in scratch": {path.name for path in (backend.data / "scratch").rglob("*") if path.is_file()},
    }
    say(f"  {len(load.accepted)} uploads accepted, {len(uploads)} jobs, {len(found)} transcripts")
    say(f"  {', '.join(f'{len(which)} {what}' for what, which in wrong.items())}")
    say(
        f"  webhooks of {len(receiver.events)} jobs, {receiver.deliveries} deliveries, {receiver.forged} falsely signed"
    )
    say(f"  rejected requests: {listed(load.answers) or 'none'}")
    forged = ["a webhook was falsely signed"] if receiver.forged else []
    return load.broken + forged + [f"{what}: {sorted(which)}" for what, which in wrong.items() if which]


def run(backend: Backend, recording: bytes, seed: int, seconds: float) -> list[str]:
    draw, receiver = random.Random(seed), Receiver()  # noqa: S311 - it chooses the faults
    wanted = os.environ.get("CHAOS_FAULTS", "").split(",")
    faults = faults_of(backend, draw)
    backend.start()
    load = Load(recording, receiver)
    load.start()
    say(f"{backend.name}: fault, seconds until all work is done and new work is accepted and done, rejected requests")
    chosen = {name: fault for name, fault in faults.items() if any(part in name for part in wanted)}
    began = time.monotonic()
    tried = run_faults(load, chosen, draw, seconds)
    load.stop_uploading()
    say(f"{backend.name}: {tried} faults in {time.monotonic() - began:.0f} s")
    broken = check(load, backend)
    backend.stop()
    receiver.close()
    if broken:
        kept = ROOT / "build" / "chaos" / backend.name.replace(" ", "-")
        shutil.copytree(backend.data / "logs", kept, dirs_exist_ok=True)
    return broken


def main() -> int:
    if INSIDE not in os.environ:
        enter_namespaces()
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))  # noqa: S311 - not secret
    seconds = float(os.environ.get("CHAOS_SECONDS") or 300)
    say(f"CHAOS_SEED={seed} CHAOS_SECONDS={seconds:g}")
    broken: list[str] = []
    for kind in (Backend, PostgresAndS3):
        if os.environ.get("CHAOS_BACKENDS", "") not in kind.name:
            continue
        if kind is PostgresAndS3 and os.environ[INSIDE] != "root":
            say(f"{kind.name}: not tried, because PostgreSQL needs a user of its own; run as root")
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            backend = kind(Path(folder))
            try:
                broken += run(backend, cut(Path(folder, "short.mp4"), 2.0).read_bytes(), seed, seconds)
            finally:
                backend.close()
    for text, number in Counter(broken).items():
        say(f"BROKEN {number} x {text}")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
