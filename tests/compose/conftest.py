"""The engine, the base images and the images of Undertone, built once; measurements are printed at the end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.compose.deployment import ROOT, Deployment, docker
from tests.compose.engine import NoEngine, running_engine

ASKED = "UNDERTONE_TEST_COMPOSE"
REQUIRED = "UNDERTONE_TEST_REQUIRE_ENGINE"
MEASUREMENTS: dict[str, str] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if ASKED in os.environ:
        return
    for item in items:
        if "tests/compose/" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="it builds images and starts containers: make compose-test"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, value in MEASUREMENTS.items():
        terminalreporter.write_line(f"{what}: {value}")


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    try:
        with running_engine():
            yield
    except NoEngine as reason:
        if REQUIRED in os.environ:
            pytest.fail(str(reason))
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def bases(engine: None) -> None:
    began = time.monotonic()
    subprocess.run([ROOT / "docker" / "bases" / "build"], check=True, stdout=subprocess.DEVNULL)
    MEASUREMENTS["base images from Debian's packages"] = f"{time.monotonic() - began:.0f} s"


@pytest.fixture(scope="session")
def images(bases: None) -> None:
    began = time.monotonic()
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    builder = Deployment("undertone-test", 0, {"UNDERTONE_REVISION": revision.stdout.strip()})
    builder.compose("--profile", "gpu", "build", "gateway", "worker-cpu", "worker-gpu")
    MEASUREMENTS["images of web, worker-cpu and worker-gpu"] = f"{time.monotonic() - began:.0f} s"
    for name in ("web", "worker-cpu", "worker-gpu"):
        size = int(docker("image", "inspect", "--format", "{{.Size}}", f"undertone-{name}:test"))
        MEASUREMENTS[f"size of {name} with its base"] = f"{size / 1e6:.0f} MB"
