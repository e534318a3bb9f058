"""Weights from a hub: which there are, which are here, and that they still are what was fetched."""

from __future__ import annotations

import hashlib
import tomllib
from functools import lru_cache
from pathlib import Path

from shared.domain.error import EngineUnavailable, NotFound
from shared.domain.value import Value
from shared.engines.settings import EngineSettings

CATALOG = Path(__file__).with_name("models.toml")
MANIFEST = "undertone.json"


class HubModel(Value):
    name: str
    slot: str
    repository: str
    weights: str = "model.bin"  # the file without which nothing works
    licence: str
    commercial_use: bool
    megabytes: int

    @property
    def hint(self) -> str:
        return f"undertone models fetch {self.name}"


class HubFile(Value):
    """A file as the hub describes it: large ones by SHA-256, small ones by their git blob id."""

    path: str
    size: int
    sha256: str | None = None
    blob_id: str | None = None


class WeightsManifest(Value):
    """What was fetched; it is written last, so a folder without one is not finished."""

    repository: str
    revision: str
    files: tuple[HubFile, ...]


def hub_models() -> tuple[HubModel, ...]:
    return tuple(HubModel.model_validate(entry) for entry in tomllib.loads(CATALOG.read_text())["model"])


def hub_model(name: str) -> HubModel:
    for model in hub_models():
        if model.name == name:
            return model
    known = ", ".join(model.name for model in hub_models())
    raise NotFound(f"There is no model {name!r} to fetch.", hint=f"Choose one of {known}.")


def folder_of(name: str, settings: EngineSettings) -> Path:
    return settings.models_dir.expanduser() / name.replace(":", "-")


def fetched(name: str, settings: EngineSettings) -> WeightsManifest | None:
    path = folder_of(name, settings) / MANIFEST
    return WeightsManifest.model_validate_json(path.read_bytes()) if path.is_file() else None


def require(name: str, settings: EngineSettings) -> tuple[Path, str]:
    """The folder of verified weights and a fingerprint of them, or the command that fetches them."""
    model = hub_model(name)
    if settings.commercial_only and not model.commercial_use:
        raise EngineUnavailable(
            f"The weights {name} may not be used commercially, and ENGINES__COMMERCIAL_ONLY is set."
        )
    manifest = fetched(name, settings)
    if manifest is None:
        raise EngineUnavailable(f"The weights {name} are not on this machine ({model.megabytes} MB).", hint=model.hint)
    folder = folder_of(name, settings)
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file() or not _is(path, file):
            raise EngineUnavailable(
                f"The weights {name} are damaged: {file.path} is not what was fetched.", hint=model.hint
            )
    return folder, hashlib.sha256(manifest.model_dump_json().encode()).hexdigest()[:16]


def _is(path: Path, file: HubFile) -> bool:
    stat = path.stat()
    return _matches(path, file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _matches(path: Path, file: HubFile, size: int, _modified: int) -> bool:
    """Hashed once per process and change: a gigabyte takes seconds."""
    if size != file.size:
        return False
    with path.open("rb") as content:
        if file.sha256:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
        # Git's name for a file is the hash of a header and the content; the hub gives no other for small files.
        blob = b"blob %d\0" % size + content.read()
        return hashlib.sha1(blob, usedforsecurity=False).hexdigest() == file.blob_id


def verify(path: Path, file: HubFile) -> bool:
    return path.is_file() and _is(path, file)
