"""A child process with limits, for everything that opens a recording: its parsers are the largest attack surface."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from shared.domain import error
from shared.domain.error import DecodeFailed, UndertoneError
from shared.domain.value import Value
from shared.engines.decoder_protocol import Report
from shared.engines.settings import MediaSettings

HINT = "Export the recording again, as mp4 or wav."
PR_SET_PDEATHSIG = 1
MAX_LINE = 2**20  # bytes; a report is far shorter, and a child gone wrong must not fill our memory
ROOT = Path(__file__).parents[2]  # where the package `shared` lies
BY_CODE = {
    kind.code: kind for kind in vars(error).values() if isinstance(kind, type) and issubclass(kind, UndertoneError)
}


@dataclass(slots=True)
class SandboxedChild:
    """A running child. It parses hostile input, so what it answers is checked like input."""

    process: subprocess.Popen[bytes]
    timeout_seconds: float  # seconds that we still wait for it; the time we spend on its answers is not counted
    _buffer: bytearray = field(default_factory=bytearray)

    def reports(self) -> Iterator[Report]:
        """Everything it says until it ends; a signal or a status other than 0 is a failure, never a short success."""
        finished = False
        while line := self._line():
            try:
                report = Report.model_validate_json(line)
            except ValidationError as cause:
                raise DecodeFailed("The decoder answered nonsense on this recording.", hint=HINT) from cause
            if report.failure is not None:
                kind = BY_CODE.get(report.failure.code, DecodeFailed)
                raise kind(report.failure.message, hint=report.failure.hint)
            finished = finished or report.done
            yield report
        status = self.process.wait()
        if status != 0 or not finished:
            why = f"was stopped by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
            raise DecodeFailed(f"The decoder {why} on this recording.", hint=HINT)

    def read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if not self._fill():
                raise DecodeFailed("The decoder broke off in the middle of a frame.", hint=HINT)
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_LINE or not self._fill():
                taken = bytes(self._buffer)
                self._buffer.clear()
                return taken
        return self.read(end + 1)

    def _fill(self) -> bool:
        stdout = self.process.stdout
        assert stdout is not None  # noqa: S101  (limited_child asks for it)
        began = time.monotonic()
        waiter = select.poll()
        waiter.register(stdout, select.POLLIN)
        if not waiter.poll(max(0.0, self.timeout_seconds) * 1000):
            raise DecodeFailed(
                "Decoding this recording took too long.", hint="Shorten it, or raise MEDIA__MAX_DECODE_SECONDS."
            )
        self.timeout_seconds -= time.monotonic() - began
        piece = os.read(stdout.fileno(), 2**20)
        self._buffer += piece
        return bool(piece)


@contextmanager
def sandboxed_child(
    task: str, request: Value, open_files: Sequence[int], settings: MediaSettings
) -> Iterator[SandboxedChild]:
    """Run a task of decoder_child.py in an empty private folder, without our environment, never longer than we live.

    It gets open files instead of paths: names stay here, and formats are not guessed by them. The order travels on
    stdin, because arguments are there for every user of the machine to read. The folder is gone as soon as the child
    stands in it, so that no kill leaves it behind and nothing can be opened or made there.
    """
    with tempfile.TemporaryDirectory(prefix="undertone-media-") as private:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "shared.engines.decoder_child", task, str(os.getpid())],
            cwd=private,
            # One thread for numpy: each of its threads would take a share of the limited address space.
            env={"PYTHONPATH": str(ROOT), "PATH": os.defpath, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=open_files,
            process_group=0,
        )
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  (asked for above)
    try:
        try:
            process.stdin.write(settings.model_dump_json().encode() + b"\n" + request.model_dump_json().encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # it is dead already; `reports` will say how it died
        yield SandboxedChild(process, settings.max_decode_seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def die_with_parent(parent: int) -> None:
    """Called by a child, so that even a killed parent leaves no child behind."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be watched
        os.kill(os.getpid(), signal.SIGKILL)


def apply_limits(settings: MediaSettings, parent: int) -> None:
    """Called by the child itself, before it opens anything."""
    die_with_parent(parent)
    os.umask(0o077)
    for limit, wished in (
        (resource.RLIMIT_AS, settings.max_memory_mb * 2**20),
        (resource.RLIMIT_CPU, int(settings.max_decode_seconds) * 2 + 1),  # two decoding threads
        (resource.RLIMIT_FSIZE, int(settings.max_seconds * 16_000 * 4) + 2**20),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        value = wished if hard == resource.RLIM_INFINITY else min(wished, hard)
        resource.setrlimit(limit, (value, value))
