"""The README's two commands on a machine with Python, make and git, but without a compiler."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.compose.conftest import MEASUREMENTS
from tests.compose.deployment import ROOT, docker

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("bases")]
PYTHONS = ("3.11", "3.13")
CLONE = "git clone --quiet /source/undertone.bundle undertone && cd undertone"
# Waits for the printed transcript, then sends SIGINT like Ctrl-C.
RUN = f"""
set -eum # job control: the command gets a process group of its own, as on a terminal
{CLONE}
make run >out 2>&1 &
for _ in $(seq 300); do
    grep -q 'The service continues' out && break
    kill -0 $! || break
    sleep 1
done
kill -INT -$!
wait $! || true
cat out
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed files as one git bundle."""
    folder = tmp_path_factory.mktemp("source")
    subprocess.run(["git", "bundle", "create", "--quiet", folder / "undertone.bundle", "HEAD"], cwd=ROOT, check=True)
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)  # for the user of the container
    return folder


@contextmanager
def fresh_machine(source: Path, python: str) -> Iterator[str]:
    name = f"undertone-fresh-{python}"
    docker("rm", "-f", name, check=False)
    docker("run", "-d", "--init", "--name", name, "-v", f"{source}:/source:ro", name, "sleep", "3600")
    try:
        yield name
    finally:
        docker("rm", "-f", name)


def run(machine: str, script: str) -> str:
    done = subprocess.run(
        ["docker", "exec", machine, "bash", "-c", script], check=False, capture_output=True, text=True
    )
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown[-6000:]
    return shown


@pytest.mark.parametrize("python", PYTHONS)
def test_make_run_serves_and_prints_the_transcript_of_the_sample(source: Path, python: str) -> None:
    with fresh_machine(source, python) as machine:
        began = time.monotonic()
        shown = run(machine, RUN)
        MEASUREMENTS[f"make run on Python {python} until the transcript"] = f"{time.monotonic() - began:.0f} s"
    assert "Installing default" in shown, "the output names the current step"
    assert "Undertone serves at" in shown and "Speaker 1" in shown and "perceived" in shown
    assert "Traceback" not in shown, shown[-2000:]


@pytest.mark.parametrize("python", PYTHONS[1:])  # the oldest one runs all tests in `make check` already
def test_make_test_passes(source: Path, python: str) -> None:
    with fresh_machine(source, python) as machine:
        began = time.monotonic()
        shown = run(machine, f"set -eu\n{CLONE}\nmake test")
        MEASUREMENTS[f"make test on Python {python}"] = f"{time.monotonic() - began:.0f} s"
    MEASUREMENTS[f"its closing line on Python {python}"] = next(
        line for line in shown.splitlines() if " passed" in line
    )
