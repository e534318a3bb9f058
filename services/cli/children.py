"""Programs that run as children: started in order, started again when they die, ended together."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import structlog

from shared.domain.error import SettingUnusable
from shared.infra.redis_server import end_with_parent

log = structlog.get_logger()

LOOK = 0.2  # seconds between looks
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
SETTLED = 60.0  # a child that ran this long begins with short pauses again
READY = 60.0
MOST_LOG = 16 << 20


@dataclass(frozen=True, slots=True)
class Program:
    """`grace` is how long it may take to end; `ready` says when those after it may start."""

    name: str
    command: Sequence[str]
    grace: float = 10.0
    ready: Callable[[], bool] = lambda: True


@dataclass(slots=True)
class Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    again_at: float = 0.0

    def died(self) -> bool:
        return self.process is not None and self.process.poll() is not None


@dataclass(slots=True)
class Children:
    environment: Mapping[str, str]
    logs: Path | None  # a folder, or None to write where we write
    _children: list[Child] = field(default_factory=list)

    def start(self, program: Program) -> None:
        """Start it and wait until it is ready."""
        child = Child(program)
        self._children.append(child)
        self._launch(child)
        deadline = time.monotonic() + READY
        while not program.ready():
            if child.died() or time.monotonic() > deadline:
                raise SettingUnusable(f"{program.name} did not start.", mend=self._where(program))
            time.sleep(LOOK / 4)

    def watch(self, stop: Event) -> None:
        """Until told to stop; whatever dies is started again, after pauses that grow."""
        while not stop.wait(LOOK):
            for child in self._children:
                self._look_after(child)

    def end(self) -> None:
        """In the opposite order, each with its grace: those who work first, what they need last."""
        for child in reversed(self._children):
            process = child.process
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(child.program.grace)
            except subprocess.TimeoutExpired:
                log.warning("serve.child_killed", child=child.program.name)
                process.kill()
                process.wait()

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.again_at:
                self._launch(child)
            return
        if not child.died():
            return
        status = child.process.returncode
        if status == SettingUnusable.exit_status:
            raise SettingUnusable(
                f"{child.program.name} cannot run with these settings.", mend=self._where(child.program)
            )
        if now - child.started >= SETTLED:
            child.pause = FIRST_PAUSE
        log.warning("serve.child_died", child=child.program.name, status=status, again_in=child.pause)
        child.process, child.again_at = None, now + child.pause
        child.pause = min(LONGEST_PAUSE, child.pause * 2)

    def _launch(self, child: Child) -> None:
        child.started = time.monotonic()
        name = child.program.name
        out = None if self.logs is None else _log_file(self.logs / f"{name}.log")
        try:
            child.process = subprocess.Popen(
                list(child.program.command),
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is ours to hear: they are ended one by one
                preexec_fn=end_with_parent,  # noqa: PLW1509 - this process has no threads
            )
        finally:
            if out is not None:
                os.close(out)

    def _where(self, program: Program) -> str | None:
        return None if self.logs is None else f"Its reason stands at the end of {self.logs / program.name}.log"


def _log_file(path: Path) -> int:
    """Appended to; what has grown too long is kept once, as `.1`."""
    if path.exists() and path.stat().st_size > MOST_LOG:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
