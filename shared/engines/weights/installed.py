"""Weights from a hub: the catalog, the installed files and their verification."""

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
    weights: str = "model.bin"  # the required file
    licence: str
    commercial_use: bool
    megabytes: int

    @property
    def hint(self) -> str:
        return f"undertone models fetch {self.name}"


class HubFile(Value):
    """A file as described by the hub: large files by SHA-256, small ones by git blob id."""

    path: str
    size: int
    sha256: str | None = None
    blob_id: str | None = None


class WeightsManifest(Value):
    """The fetched files; written last, so a folder without it is incomplete."""

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
    """Return the folder and fingerprint of verified weights; raise with the fetch command if they are missing."""
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
                f"The weights {name} are damaged: {file.path} does not match its hash.", hint=model.hint
            )
    return folder, hashlib.sha256(manifest.model_dump_json().encode()).hexdigest()[:16]


def _is(path: Path, file: HubFile) -> bool:
    stat = path.stat()
    return _matches(path, file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _matches(path: Path, file: HubFile, size: int, _modified: int) -> bool:
    """Hash once per process and change: a gigabyte takes seconds."""
    if size != file.size:
        return False
    with path.open("rb") as content:
        if file.sha256:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
        # A git blob id is the hash of a header and the content; the hub has no other hash for small files.
        blob = b"blob %d\0" % size + content.read()
        return hashlib.sha1(blob, usedforsecurity=False).hexdigest() == file.blob_id


def verify(path: Path, file: HubFile) -> bool:
    return path.is_file() and _is(path, file)
