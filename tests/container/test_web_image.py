"""Commands in the web image, which has no engines: a copy of the code without them, as in its Dockerfile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REMOVED = ("engines", "pipeline")  # deleted by the Dockerfile's stage web-build


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    for name in ("shared", "services"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "trainer", "bundled", "torch")
        )
    for name in REMOVED:
        shutil.rmtree(folder / "shared" / name)
    return folder


def run(app: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs without `site`, so that an editable install of this repository does not add the engines."""
    inherited = {name: value for name, value in os.environ.items() if "__" not in name}
    return subprocess.run(
        [sys.executable, "-S", "-m", "services.container", *arguments],
        cwd=app,
        env={**inherited, "PYTHONPATH": sysconfig.get_path("purelib")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_models_refers_to_another_container(app: Path) -> None:
    done = run(app, "models", "list")
    assert done.returncode == 64, done.stderr
    assert done.stdout == ""
    assert done.stderr == (
        "[invalid_request] `models` does not run in this container: its image has no engines.\n"
        "  → docker compose run --rm models list\n"
    )


def test_a_worker_cannot_run_in_the_web_image(app: Path) -> None:
    done = run(app, "worker")
    assert done.returncode == 64 and '"code": "invalid_request"' in done.stderr and "worker-cpu" in done.stderr


def test_keys_can_be_created_in_the_web_image(app: Path) -> None:
    done = run(app, "keys", "--help")
    assert done.returncode == 0, done.stderr
    assert "create" in done.stdout
