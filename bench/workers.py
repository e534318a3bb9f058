"""Measures the speedup of two single-threaded workers over one, with a real Redis and database.

python bench/workers.py [JOBS] [SECONDS OF EACH RECORDING]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.domain.job_record import JobStatus
from tests.running_service import cut, serving

JOBS = int(sys.argv[1]) if len(sys.argv) > 1 else 6
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 6.0
TIMEOUT_SECONDS = 1800.0
TARGET = 1.8


def main() -> None:
    taken = {workers: measure(workers) for workers in (1, 2)}
    gain = taken[1] / taken[2]
    print(f"{JOBS} jobs of {SECONDS:.0f} s: {taken[1]:.1f} s with one worker, {taken[2]:.1f} s with two: {gain:.2f}x")
    if len(os.sched_getaffinity(0)) < 2 or os.getloadavg()[0] > len(os.sched_getaffinity(0)) + 1:
        print("This machine has too few free cores for the comparison.")
    elif gain < TARGET:
        sys.exit(f"Two workers should be {TARGET} times as fast.")


def measure(workers: int) -> float:
    """Return the seconds from the first submission to the last end, after a warm-up of every worker."""
    with tempfile.TemporaryDirectory() as folder:
        recording = cut(Path(folder) / "short.mp4", SECONDS)
        with serving(Path(folder), workers=workers, settings=one_thread()) as service:
            warm = [service.submit(recording) for _ in range(2 * workers)]
            for job_id in warm:
                service.wait_ended(job_id, TIMEOUT_SECONDS)
            began = time.monotonic()
            jobs = [service.submit(recording) for _ in range(JOBS)]
            ended = [service.wait_ended(job_id, TIMEOUT_SECONDS).status for job_id in jobs]
            taken = time.monotonic() - began
            if set(ended) != {JobStatus.DONE}:
                sys.exit(f"Not every job was done.\n{service.logs()}")
            return taken


def one_thread() -> dict[str, str]:
    return {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "WORKER__LEASE_SECONDS": "90"}


if __name__ == "__main__":
    main()
