"""The error message of a container for a service that it cannot start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_an_unknown_service_error_lists_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.container", "nothing"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 64 and "gateway" in done.stderr
