"""Supervises child processes: starts them in order, restarts them when they exit, stops them together."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import structlog

from shared.domain.error import InvalidSetting
from shared.infra.child_process import start_child, stop_child
from shared.infra.heartbeat import HEARTBEAT_FILE_VARIABLE

log = structlog.get_logger()

POLL_SECONDS = 0.2  # seconds between polls
FIRST_RESTART_DELAY = 0.5
MAX_PAUSE = 30.0
STABLE_SECONDS = 60.0  # after this long a child's restart delay is reset
READY_TIMEOUT_SECONDS = 60.0
SILENCE_SECONDS = 180.0  # without a heartbeat; a program touches its file at least every 15 s
MAX_LOG = 16 << 20


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """`grace_seconds` limits its shutdown; `ready` returns whether the next program may start.

    `heartbeat` is the file that it touches after successful work; it is killed when it stops to do so.
    """

    name: str
    command: Sequence[str]
    grace_seconds: float = 10.0
    ready: Callable[[], bool] = lambda: True
    heartbeat: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)  # besides the supervisor's


@dataclass(slots=True)
class _RunningChild:
    program: ChildProcess
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restart_delay: float = FIRST_RESTART_DELAY
    restart_at: float = 0.0
    last_touch: float = 0.0  # modification time of its heartbeat file, by the wall clock, which may jump
    touch_seen_at: float = 0.0

    def has_exited(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def seconds_without_heartbeat(self) -> float:
        path, now = self.program.heartbeat, time.monotonic()
        if path is None:
            return 0.0
        touched = path.stat().st_mtime if path.exists() else 0.0
        if touched != self.last_touch:
            self.last_touch, self.touch_seen_at = touched, now
        return now - max(self.started, self.touch_seen_at)


@dataclass(slots=True)
class Supervisor:
    environment: Mapping[str, str]
    logs: Path | None  # a folder, or None for this process's own output
    _children: list[_RunningChild] = field(default_factory=list)

    def start(self, program: ChildProcess) -> None:
        """Start a program and wait until it is ready."""
        child = _RunningChild(program)
        self._children.append(child)
        self._launch(child)
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not program.ready():
            if child.has_exited() or time.monotonic() > deadline:
                raise InvalidSetting(f"{program.name} did not start.", hint=self._where(program))
            time.sleep(POLL_SECONDS / 4)

    def watch(self, stop: Event) -> None:
        """Restart programs that exit, with growing delays, until `stop` is set."""
        while not stop.wait(POLL_SECONDS):
            for child in self._children:
                self._check(child)

    def stop(self) -> None:
        """Stop the programs in reverse order, each with its grace, so that dependencies stop last."""
        for child in reversed(self._children):
            process = child.process
            if process is None or process.poll() is not None:
                continue
            if not stop_child(process, child.program.grace_seconds):
                log.warning("serve.child_killed", child=child.program.name)

    def _check(self, child: _RunningChild) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.restart_at:
                self._launch(child)
            return
        if not child.has_exited():
            if child.seconds_without_heartbeat() > SILENCE_SECONDS:
                log.error("serve.child_silent", child=child.program.name, seconds=SILENCE_SECONDS)
                child.process.kill()
                child.process.wait()
            return
        status = child.process.returncode
        if status == InvalidSetting.exit_status:
            raise InvalidSetting(
                f"{child.program.name} cannot run with these settings.", hint=self._where(child.program)
            )
        if now - child.started >= STABLE_SECONDS:
            child.restart_delay = FIRST_RESTART_DELAY
        log.warning("serve.child_exited", child=child.program.name, status=status, restart_in=child.restart_delay)
        child.process, child.restart_at = None, now + child.restart_delay
        child.restart_delay = min(MAX_PAUSE, child.restart_delay * 2)

    def _launch(self, child: _RunningChild) -> None:
        child.started = time.monotonic()
        name, path = child.program.name, child.program.heartbeat
        heartbeat = {} if path is None else {HEARTBEAT_FILE_VARIABLE: str(path)}
        out = None if self.logs is None else _log_file(self.logs / f"{name}.log")
        try:
            child.process = start_child(
                child.program.command,
                env={**os.environ, **self.environment, **child.program.environment, **heartbeat},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # only this process receives Ctrl-C and stops them one by one
            )
        finally:
            if out is not None:
                os.close(out)

    def _where(self, program: ChildProcess) -> str | None:
        return None if self.logs is None else f"The reason is at the end of {self.logs / program.name}.log"


def _log_file(path: Path) -> int:
    """Open a log for appending; a log that is too long is renamed to `.1` once."""
    if path.exists() and path.stat().st_size > MAX_LOG:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
