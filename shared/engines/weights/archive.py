"""Moves weights to a machine without a network, as one tar archive; only described content is accepted."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

from shared.domain.error import InvalidRequest
from shared.engines.settings import EngineSettings
from shared.engines.weights.description import Weights
from shared.engines.weights.fetch import partial_folder
from shared.engines.weights.installed import folder_of, install, require_weights


def export_weights(chosen: Sequence[Weights], archive: Path, settings: EngineSettings) -> None:
    """Write verified weights to an archive, which appears under its name when it is complete."""
    partial = archive.with_name(f".{archive.name}.partial")
    try:
        with tarfile.open(partial, "w", dereference=True) as tar:
            for weights in chosen:
                folder = require_weights(weights, settings)
                for file in weights.files:
                    tar.add(folder / file.path, f"{folder.name}/{file.path}")
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)


def import_weights(archive: Path, known: Sequence[Weights], settings: EngineSettings) -> tuple[Weights, ...]:
    """Install the weights of an archive and return them; each appears only when all its files are verified."""
    try:
        with tarfile.open(archive, "r:") as tar:
            members = {member.name: member for member in tar}
            found = tuple(weights for weights in known if _names(weights, settings).keys() <= members.keys())
            sizes = {name: size for weights in found for name, size in _names(weights, settings).items()}
            # A member is read only if its whole name is known, so none can leave the folder of its weights.
            if unknown := [member for name, member in members.items() if name not in sizes or not member.isreg()]:
                raise InvalidRequest(
                    f"{archive.name} contains {unknown[0].name!r}, which is not part of complete, known weights."
                )
            # A sparse member of a small archive may claim any size, and would fill the disk before its hash is wrong.
            if larger := [member for name, member in members.items() if member.size > sizes[name]]:
                raise InvalidRequest(
                    f"{archive.name} contains {larger[0].name!r}, which is larger than the known file."
                )
            for weights in found:
                _install(weights, tar, archive, settings)
    except tarfile.TarError as error:
        raise InvalidRequest(
            f"{archive.name} is not a complete archive of weights ({error}).", hint="Export it again."
        ) from error
    if not found:
        raise InvalidRequest(f"{archive.name} contains no weights.", hint="undertone models export")
    return found


def _names(weights: Weights, settings: EngineSettings) -> dict[str, int]:
    """The members of the weights, with their sizes."""
    return {f"{folder_of(weights.name, settings).name}/{file.path}": file.size for file in weights.files}


def _install(weights: Weights, tar: tarfile.TarFile, archive: Path, settings: EngineSettings) -> None:
    weights.check_licence(settings)
    with partial_folder(weights, settings) as partial:
        for file in weights.files:
            content = tar.extractfile(f"{folder_of(weights.name, settings).name}/{file.path}")
            assert content is not None  # noqa: S101 - it is a regular file
            with content, (partial / file.path).open("wb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
        install(weights, partial, archive.name, settings)
