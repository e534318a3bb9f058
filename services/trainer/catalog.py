"""What can be trained by name: data, imported on demand, because torch is slow to import and not always there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from shared.domain.error import EngineUnavailable, InvalidRequest

# name -> the package that holds train.py with `recipe_of` and `train`, and export.py with `export`.
NETWORKS: Mapping[str, str] = {
    "text": "services.trainer.text",
    "voice": "services.trainer.voice",
    "face": "services.trainer.face",
    "segmentation": "services.trainer.segmentation",
    "speaker": "services.trainer.speaker",
    "whisper": "services.trainer.whisper",
}


def train(name: str, data: Path, run: Path, seed: int, epochs: int | None) -> Path:
    module = _module(name, "train")
    recipe = module.recipe_of(seed)
    trained: Path = module.train(data, run, replace(recipe, epochs=epochs) if epochs else recipe)
    return trained


def export(name: str, data: Path, run: Path) -> dict[str, Any]:
    if not run.is_dir():
        raise InvalidRequest(f"There is no run at {str(run)!r}.", mend=f"undertone train {name} --data DATA")
    figures: dict[str, Any] = _export_of(name)(run, data)
    return figures


def _export_of(name: str) -> Callable[[Path, Path], dict[str, Any]]:
    found: Callable[[Path, Path], dict[str, Any]] = _module(name, "export").export
    return found


def _module(name: str, part: str) -> Any:
    if name not in NETWORKS:
        raise InvalidRequest(f"There is no network {name!r} to train; there is {', '.join(NETWORKS)}.")
    return needing_torch(f"{NETWORKS[name]}.{part}")


def needing_torch(module: str) -> Any:
    """A module of the trainer, or the command that brings what it needs."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(("services", "shared")):
            raise
        raise EngineUnavailable(
            f"Training needs {error.name}, which is not installed.", mend="make train-setup"
        ) from error
