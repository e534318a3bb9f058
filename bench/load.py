"""Measures the service under load over loopback: a thousand queued jobs and 200 parallel uploads.

python bench/load.py [JOBS] [UPLOADS] [MEGABYTES OF EACH]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.infra.secret_encryption import new_key
from tests.running_service import cut, serve_command

JOBS, UPLOADS, MEGABYTES = (int(value) for value in (*sys.argv[1:], *("1000", "200", "20")[len(sys.argv) - 1 :]))
PORT = 8765
REQUESTS = 2_000


@contextmanager
def gateway(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `undertone serve` with one worker, which is far slower than the uploads."""
    environment = {**os.environ, "SECRETS__KEYS": new_key(), "GATEWAY__REQUESTS_PER_MINUTE": "1000000"}
    process = subprocess.Popen(
        serve_command(folder, PORT, "--workers", "1"), env=environment, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{PORT}"
    try:
        while True:
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield process, address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def web_memory(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Return the resident memory of the web process and its peak, in MB."""
    for path in Path("/proc").glob("[0-9]*/status"):
        text = path.read_text()
        command = path.with_name("cmdline").read_bytes()
        if b"services.cli.web" in command and f"PPid:\t{process.pid}\n" in text:
            kilobytes = {
                line.split(":")[0]: int(line.split()[1]) for line in text.splitlines() if line.startswith("Vm")
            }
            return kilobytes["VmRSS"] // 1024, kilobytes["VmHWM"] // 1024
    raise SystemExit("The web process is not running.")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, gateway(Path(scratch, "data")) as (process, address):
        short = cut(Path(scratch, "short.mp4"), 2.0).read_bytes()
        kind = {"content-type": "video/mp4"}
        with httpx.Client(base_url=address, timeout=120) as client:
            began = time.monotonic()
            # Each body differs: the same content would be one job.
            jobs = [
                client.post("/v1/recordings", content=short + bytes(n), headers=kind).json()["id"] for n in range(JOBS)
            ]
            print(f"{JOBS} jobs submitted, {JOBS / (time.monotonic() - began):.0f} a second", flush=True)
            before, seconds = web_memory(process)[0], []
            for number in range(REQUESTS):
                began = time.perf_counter()
                client.get(f"/v1/jobs/{jobs[number % JOBS]}").raise_for_status()
                seconds.append(time.perf_counter() - began)
            p50, p99 = np.percentile(seconds, (50, 99)) * 1000
            grown = web_memory(process)[0] - before
            print(f"GET /v1/jobs/ID: median {p50:.1f} ms, 99th percentile {p99:.1f} ms, {grown} MB more", flush=True)
        before = web_memory(process)[0]
        filling = np.random.default_rng(0).bytes(MEGABYTES << 20)

        def upload(number: int) -> int:
            body = short + number.to_bytes(4) + filling
            return httpx.post(f"{address}/v1/recordings", content=body, headers=kind, timeout=600).status_code

        began = time.monotonic()
        with ThreadPoolExecutor(UPLOADS) as threads:
            statuses = list(threads.map(upload, range(UPLOADS)))
        taken, (_, peak) = time.monotonic() - began, web_memory(process)
        lost = sum(status != 202 for status in statuses)
        print(
            f"{UPLOADS} uploads of {MEGABYTES} MB in parallel: {lost} lost, {UPLOADS * MEGABYTES / taken:.0f} MB/s, "
            f"{peak - before} MB more at most"
        )


if __name__ == "__main__":
    main()
