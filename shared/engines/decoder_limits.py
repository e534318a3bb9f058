"""A child process with limits, for everything that opens a recording: its parsers are the largest attack surface."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shared.domain import error
from shared.domain.error import DecodeFailed, UndertoneError
from shared.engines.settings import MediaSettings

PR_SET_PDEATHSIG = 1
ROOT = Path(__file__).parents[2]  # where the packages `shared` and `services` lie
BY_CODE = {
    kind.code: kind for kind in vars(error).values() if isinstance(kind, type) and issubclass(kind, UndertoneError)
}


@dataclass(frozen=True, slots=True)
class Child:
    """A running child: its answers arrive on `stdout`, its working folder is private and vanishes with it."""

    process: subprocess.Popen[bytes]
    stdout: IO[bytes]

    def finish(self) -> None:
        """Wait for the end; a signal or a status other than 0 is a failure, never a short success."""
        status = self.process.wait()
        if status != 0:
            why = f"was stopped by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
            raise DecodeFailed(
                f"The decoder {why} on this recording.", mend="Export the recording again, as mp4 or wav."
            )


@contextmanager
def limited_child(
    task: str, order: Mapping[str, Any], media: Mapping[str, Path], settings: MediaSettings
) -> Iterator[Child]:
    """Run a task of decoder_child.py in a private folder, without our environment, and never longer than we live.

    `media` maps neutral names to files: the client's own name never reaches the decoder, which guesses formats by it.
    """
    with tempfile.TemporaryDirectory(prefix="undertone-media-") as private:
        for name, path in media.items():
            Path(private, name).symlink_to(path.resolve())
        process = subprocess.Popen(
            [sys.executable, "-m", "shared.engines.decoder_child", task, json.dumps(order), settings.model_dump_json()],
            cwd=private,
            env={"PYTHONPATH": str(ROOT), "PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        watchdog = threading.Timer(settings.max_decode_seconds, _end, (process,))
        watchdog.daemon = True
        watchdog.start()
        stdout = process.stdout
        assert stdout is not None  # noqa: S101  (asked for above)
        try:
            yield Child(process, stdout)
        finally:
            watchdog.cancel()
            _end(process)
            stdout.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the child's process group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def confine(settings: MediaSettings) -> None:
    """Called by the child itself, before it opens anything."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.umask(0o077)
    seconds = int(settings.max_decode_seconds)
    longest_file = int(settings.max_seconds * 16_000 * 4) + 2**20
    for limit, wished in (
        (resource.RLIMIT_AS, settings.max_memory_mb * 2**20),
        (resource.RLIMIT_CPU, seconds * 2),  # two decoding threads
        (resource.RLIMIT_FSIZE, longest_file),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        value = wished if hard == resource.RLIM_INFINITY else min(wished, hard)
        resource.setrlimit(limit, (value, value))


def raise_reported(report: Mapping[str, Any]) -> None:
    """An error that the child met and understood, as the same error on our side."""
    if "error" in report:
        raise BY_CODE[report["error"]](report["message"], mend=report["mend"])
