"""The weights on this machine: their folders, their verification, and their installation in one step."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from functools import lru_cache
from pathlib import Path

from shared.domain.error import EngineUnavailable
from shared.engines.settings import EngineSettings
from shared.engines.weights.description import DEFAULT, Weights, WeightsFile, all_weights, find_weights

SOURCE = "source.json"  # says where the files came from; nothing depends on it


def folder_of(name: str, settings: EngineSettings) -> Path:
    return settings.models_dir.expanduser() / name.replace(":", "-")


def is_here(weights: Weights, settings: EngineSettings) -> bool:
    """Whether every file is there in full size; `require` also checks their content."""
    folder = folder_of(weights.name, settings)
    return all(_size(folder / file.path) == file.size for file in weights.files)


def is_intact(weights: Weights, settings: EngineSettings) -> bool:
    folder = folder_of(weights.name, settings)
    return all(matches(folder / file.path, file) for file in weights.files)


def best_here(slot: str, settings: EngineSettings) -> Weights:
    for weights in all_weights():
        if weights.slot == slot and is_here(weights, settings):
            return weights
    raise EngineUnavailable(f"No weights for {slot} are in {settings.models_dir}.", hint=find_weights(DEFAULT).hint)


def require_weights(weights: Weights, settings: EngineSettings) -> Path:
    """Return the folder of verified weights; raise with the fetch command if they are missing or damaged."""
    weights.check_licence(settings)
    if not is_here(weights, settings):
        raise EngineUnavailable(
            f"The weights {weights.name} are not on this machine ({weights.bytes / 1e6:.0f} MB).", hint=weights.hint
        )
    folder = folder_of(weights.name, settings)
    for file in weights.files:
        if not matches(folder / file.path, file):
            raise EngineUnavailable(
                f"The weights {weights.name} are damaged: {file.path} does not match its hash.", hint=weights.hint
            )
    return folder


def matches(path: Path, file: WeightsFile) -> bool:
    return _size(path) == file.size and _sha256(path, path.stat().st_mtime_ns) == file.sha256


def source_of(weights: Weights, settings: EngineSettings) -> str | None:
    path = folder_of(weights.name, settings) / SOURCE
    return str(json.loads(path.read_text())["source"]) if path.is_file() else None


def install(weights: Weights, prepared: Path, source: str, settings: EngineSettings) -> Path:
    """Verify the prepared files and move them into place; a file with other content is deleted."""
    for file in weights.files:
        path = prepared / file.path
        if not matches(path, file):
            path.unlink(missing_ok=True)
            raise EngineUnavailable(f"{file.path} from {source} does not match its hash; it was deleted.")
        with path.open("rb") as content:
            os.fsync(content.fileno())
    for extra in set(prepared.iterdir()) - {prepared / file.path for file in weights.files}:
        shutil.rmtree(extra, ignore_errors=True)  # what a source needed to get them
    (prepared / SOURCE).write_text(json.dumps({"name": weights.name, "source": source}) + "\n")
    folder = folder_of(weights.name, settings)
    shutil.rmtree(folder, ignore_errors=True)
    prepared.rename(folder)
    return folder


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


@lru_cache(maxsize=256)
def _sha256(path: Path, _modified: int) -> str:
    """Hash a file once per process and change: a gigabyte takes seconds."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
