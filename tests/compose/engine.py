"""A container engine for the tests: a running one, or one that is started here and stopped afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60.0
PACKAGES = ("docker.io", "iptables", "debootstrap", "ca-certificates")


class NoEngine(Exception):
    """No engine is running and none can be started; the message contains the reason."""


def answers() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], check=False, capture_output=True).returncode == 0


@contextmanager
def running_engine() -> Iterator[None]:
    """Raises NoEngine. A running engine is used as it is; one started here is stopped and its images are removed."""
    if answers():
        yield
        return
    if os.geteuid() != 0:
        raise NoEngine("No container engine is running, and only root may start one.")
    if shutil.which("dockerd") is None or shutil.which("debootstrap") is None:
        _install()
    folder = Path(tempfile.mkdtemp(prefix="undertone-engine-"))
    with (folder / "log").open("wb") as log:
        engine = subprocess.Popen(
            ["dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"],
            stdout=log,
            stderr=log,
        )
    try:
        _wait(engine, folder / "log")
        yield
    finally:
        engine.terminate()
        engine.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(engine: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if engine.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").splitlines()[-3:]
            raise NoEngine("dockerd does not start here: " + " ".join(last))
        time.sleep(0.5)


def _install() -> None:
    apt = shutil.which("apt-get")
    if apt is None:
        raise NoEngine(
            "No container engine is installed, and apt-get, which could install Debian's docker.io, is missing."
        )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run([apt, *command], check=False, capture_output=True, text=True, env=quiet)
        if done.returncode:
            raise NoEngine(f"apt-get {command[0]} failed: {done.stderr[-300:]}")


def compose_command() -> list[str]:
    """The path of Docker Compose, which `make compose-test` installs next to this Python."""
    beside = Path(sys.executable).with_name("docker-compose")
    return [str(beside)] if beside.exists() else ["docker", "compose"]
