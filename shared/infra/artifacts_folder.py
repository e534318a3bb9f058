"""Stores artifacts in a folder: written to a temporary folder and renamed, so that writes are atomic."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.infra.storage_errors import raising_storage_full


class FolderArtifacts:
    """Stores each artifact as a folder; temporary folders are in `.scratch` on the same file system."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._scratch = root / ".scratch"
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._sweep()

    def _sweep(self) -> None:
        """Removes temporary folders of killed processes; a folder's name starts with the process id."""
        for leftover in self._scratch.iterdir():
            owner = leftover.name.partition("-")[0]
            if owner.isdigit() and not Path("/proc", owner).exists():
                shutil.rmtree(leftover, ignore_errors=True)

    def find(self, key: str) -> Path | None:
        folder = self._root / key
        return folder if folder.is_dir() else None

    @contextmanager
    def making(self, key: str) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self._scratch, prefix=f"{os.getpid()}-"))
        try:
            with raising_storage_full():
                yield folder
                self._commit(folder, self._root / key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _commit(self, folder: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except OSError as error:
            # Another process created the same artifact first. The same key means the same content, so keep that one.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
