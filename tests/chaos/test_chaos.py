"""A short run of `make chaos`, with a few of its faults."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.running_service import ROOT


@pytest.mark.slow
def test_no_job_is_lost_or_doubled_while_parts_fail() -> None:
    chosen = {"CHAOS_SEED": "1", "CHAOS_SECONDS": "25", "CHAOS_BACKENDS": "SQLite"}
    said = subprocess.run(
        [sys.executable, "-m", "tests.chaos"],
        cwd=ROOT,
        env={
            **os.environ,
            **chosen,
            "CHAOS_FAULTS": "Redis killed,all workers killed,locked for 5,read-only,disk full",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert said.returncode == 0, said.stdout + said.stderr
