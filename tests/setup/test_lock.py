"""The lock files install on every Python that the project supports, with old releases of pip too."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from requirements.install import SUPPORTED, version

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
NAMES = [path.name for path in LOCKS]
INSTALLED_BY_USERS = ("default", "dev", "web", "worker", "telemetry")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def entries(lock: str) -> list[Requirement]:
    text = (ROOT / "requirements" / lock).read_text().replace("\\\n", "")
    return [Requirement(line.split(" --hash")[0]) for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("lock", NAMES)
def test_a_lock_has_one_version_of_each_package(lock: str) -> None:
    """Code and tests meet the same library on every Python."""
    counts = Counter(canonicalize_name(entry.name) for entry in entries(lock))
    assert [name for name, count in counts.items() if count > 1] == []


def test_all_locks_agree() -> None:
    found: dict[str, set[str]] = {}
    for lock in set(NAMES) - {"s3-server.txt"}:  # that server has an environment of its own
        for entry in entries(lock):
            found.setdefault(canonicalize_name(entry.name), set()).add(str(entry.specifier))
    assert {name: versions for name, versions in found.items() if len(versions) > 1} == {}


@pytest.mark.parametrize("lock", NAMES)
def test_every_file_of_a_lock_has_a_hash(lock: str) -> None:
    for line in (ROOT / "requirements" / lock).read_text().replace("\\\n", "").splitlines():
        assert line.startswith("#") or "--hash=sha256:" in line, line


def test_a_lock_keeps_extras() -> None:
    """pip 23 refuses a hashed file in which a package asks for an extra that the file leaves out."""
    assert any(entry.extras for entry in entries("dev.txt"))


@pytest.mark.parametrize("lock", INSTALLED_BY_USERS)
def test_no_python_is_left_without_a_package_that_another_one_gets(lock: str) -> None:
    """Only backports of the standard library differ between the Pythons that we support."""
    pythons = [f"3.{minor}" for minor in range(SUPPORTED[0][1], SUPPORTED[1][1] + 1)]
    for entry, machine in product(entries(f"{lock}.txt"), ("x86_64", "aarch64")):
        if entry.marker is None or entry.name == "async-timeout":
            continue
        assert len({applies(entry.marker, python, machine) for python in pythons}) == 1, str(entry)


def applies(marker: Marker, python: str, machine: str) -> bool:
    environment = {"python_version": python, "python_full_version": f"{python}.9", "platform_machine": machine}
    return marker.evaluate({**environment, "sys_platform": "linux", "platform_system": "Linux", "extra": ""})


def test_the_supported_pythons_are_written_the_same_everywhere() -> None:
    first, last = (version(numbers) for numbers in SUPPORTED)
    assert PROJECT["requires-python"] == f">={first},<3.{SUPPORTED[1][1] + 1}"
    readme = (ROOT / "README.md").read_text()
    assert f"Python {first}, 3.12 or {last}" in readme


def test_the_images_have_the_version_of_the_project() -> None:
    versions = re.findall(r"^ARG VERSION=(.*)$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)
    assert set(versions) == {PROJECT["version"]}
