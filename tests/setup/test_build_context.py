"""A clean clone holds, and `.dockerignore` lets through, whatever the Dockerfile copies."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
COPIES = re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)
SOURCES = sorted({source for line in COPIES for source in line.split()[:-1]})
RULES = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def sent(path: str) -> bool:
    """The last rule that matches the path or a folder above it decides, as the builder reads the file."""
    names = [path, *(str(parent) for parent in PurePosixPath(path).parents)]
    kept = True
    for rule in RULES:
        pattern = rule.removeprefix("!").removeprefix("**/")
        if any(
            fnmatch(name, pattern) or (rule.startswith("**/") and fnmatch(Path(name).name, pattern)) for name in names
        ):
            kept = rule.startswith("!")
    return kept


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_copied_is_sent_to_the_builder(source: str) -> None:
    assert sent(source)
    tracked = subprocess.run(["git", "ls-files", source], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert tracked, f"{source} is not in a clean clone"


@pytest.mark.parametrize("path", [".env", ".git/config", "tests/fakes.py", "services/trainer/loop.py", ".venv/x"])
def test_what_an_image_does_not_need_stays_out(path: str) -> None:
    assert not sent(path)


def test_environment_files_with_secrets_are_not_committed() -> None:
    ignored = subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=ROOT, check=False)
    assert ignored.returncode == 0
