"""The contents of the images."""

from __future__ import annotations

import json
import subprocess
import tomllib

import pytest

from tests.compose.deployment import ROOT, docker

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("images")]
NAMES = ("web", "worker-cpu", "worker-gpu")
MAX_MB_WITHOUT_BASE = {"web": 160, "worker-cpu": 900, "worker-gpu": 1000}
BASE = {"web": "undertone-base-python", "worker-cpu": "undertone-base-python", "worker-gpu": "undertone-base-cuda"}


def size(image: str) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_small(name: str) -> None:
    assert (size(f"undertone-{name}:test") - size(BASE[name])) / 1e6 < MAX_MB_WITHOUT_BASE[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_labelled(name: str) -> None:
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", f"undertone-{name}:test"))
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    prefix = "org.opencontainers.image"
    assert labels[f"{prefix}.version"] == version
    assert labels[f"{prefix}.revision"] == revision.strip()
    assert labels[f"{prefix}.licenses"] == "Apache-2.0"


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_no_pip_and_an_unprivileged_user(name: str) -> None:
    script = "import importlib.util as u, os; print(u.find_spec('pip'), os.getuid())"
    assert docker("run", "--rm", "--entrypoint", "python", f"undertone-{name}:test", "-c", script) == "None 10001\n"


def test_the_web_image_contains_no_models() -> None:
    names = ("numpy", "onnxruntime", "av", "shared.engines")
    script = f"import importlib.util as u; print([name for name in {names} if u.find_spec(name)])"
    assert docker("run", "--rm", "--entrypoint", "python", "undertone-web:test", "-c", script) == "[]\n"


def test_the_gpu_image_contains_the_workers_imports() -> None:
    """Importing needs no GPU; the worker then reports that it has none."""
    script = "import ctranslate2, faster_whisper, services.worker.app; print(ctranslate2.get_cuda_device_count())"
    found = docker("run", "--rm", "--entrypoint", "python", "undertone-worker-gpu:test", "-c", script)
    assert found.splitlines()[-1] == "0"
