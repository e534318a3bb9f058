"""Runs media parsers in a child process with resource limits: they are the largest attack surface."""

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
from shared.engines.decoder.protocol import Report
from shared.engines.settings import MediaSettings

HINT = "Export the recording again, as mp4 or wav."
PR_SET_PDEATHSIG = 1
MAX_LINE = 2**20  # bytes; a report is far shorter, and a faulty child must not exhaust the memory of the parent
ROOT = Path(__file__).parents[3]  # the folder of the package `shared`
BY_CODE = {
    kind.code: kind for kind in vars(error).values() if isinstance(kind, type) and issubclass(kind, UndertoneError)
}


@dataclass(slots=True)
class SandboxedChild:
    """A running child. It parses untrusted input, so its output is validated like input."""

    process: subprocess.Popen[bytes]
    timeout_seconds: float  # remaining seconds to wait for the child; time spent on its output does not count
    _buffer: bytearray = field(default_factory=bytearray)

    def reports(self) -> Iterator[Report]:
        """Yield its reports until it exits; a signal or a non-zero status is an error."""
        finished = False
        while line := self._line():
            try:
                report = Report.model_validate_json(line)
            except ValidationError as cause:
                raise DecodeFailed("The decoder sent an invalid report on this recording.", hint=HINT) from cause
            if report.failure is not None:
                kind = BY_CODE.get(report.failure.code, DecodeFailed)
                raise kind(report.failure.message, hint=report.failure.hint)
            finished = finished or report.done
            yield report
        status = self.process.wait()
        if status != 0 or not finished:
            why = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"
            raise DecodeFailed(f"The decoder {why} on this recording.", hint=HINT)

    def read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if not self._fill():
                raise DecodeFailed("The decoder exited in the middle of a frame.", hint=HINT)
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
        assert stdout is not None  # noqa: S101  (sandboxed_child sets PIPE)
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
    """Run a task of child.py in an empty private folder, without the parent's environment or after its death.

    The child gets open files instead of paths, so that names stay private and formats are not guessed from them. The
    request is sent on stdin, because every user of the machine can read arguments. The folder is deleted as soon as
    the child has started in it, so that a kill leaves nothing behind and no file can be opened or created there.
    """
    with tempfile.TemporaryDirectory(prefix="undertone-media-") as private:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "shared.engines.decoder.child", task, str(os.getpid())],
            cwd=private,
            # One thread for numpy: each of its threads would use part of the limited address space.
            env={"PYTHONPATH": str(ROOT), "PATH": os.defpath, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=open_files,
            process_group=0,
        )
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  (PIPE above)
    try:
        try:
            process.stdin.write(settings.model_dump_json().encode() + b"\n" + request.model_dump_json().encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # the child has already exited; `reports` raises the reason
        yield SandboxedChild(process, settings.max_decode_seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def die_with_parent(parent: int) -> None:
    """Kill this process when its parent exits; called in the child."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before prctl took effect
        os.kill(os.getpid(), signal.SIGKILL)


def apply_limits(settings: MediaSettings, parent: int) -> None:
    """Apply the resource limits; called in the child before it opens a file."""
    die_with_parent(parent)
    os.umask(0o077)
    for limit, requested in (
        (resource.RLIMIT_AS, settings.max_memory_mb * 2**20),
        (resource.RLIMIT_CPU, int(settings.max_decode_seconds) * 2 + 1),  # two decoding threads
        (resource.RLIMIT_FSIZE, int(settings.max_seconds * 16_000 * 4) + 2**20),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        value = requested if hard == resource.RLIM_INFINITY else min(requested, hard)
        resource.setrlimit(limit, (value, value))
