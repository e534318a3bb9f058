"""Starts child processes that end with this process, and stops them."""

from __future__ import annotations

import ctypes
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

PR_SET_PDEATHSIG = 1


def start_child(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start the command with the options of `Popen`; the kernel kills it when this process ends. Not for threads."""
    return subprocess.Popen(list(command), preexec_fn=_end_with_parent, **options)  # noqa: PLW1509 - no threads


def stop_child(process: subprocess.Popen[bytes], grace_seconds: float) -> bool:
    """Stop the process with SIGTERM, or with SIGKILL after the grace; return False if it had to be killed."""
    process.terminate()
    try:
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
