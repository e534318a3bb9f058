"""Artifacts in a folder: written aside and renamed, so that a kill leaves either all or nothing."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.domain.error import StorageFull


class FolderArtifacts:
    """Every artifact is a folder; scratch lies beside them under `.scratch`, on the same file system."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._scratch = root / ".scratch"
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._sweep()

    def _sweep(self) -> None:
        """Remove what processes left that were killed; their number stands in the folder's name."""
        for left in self._scratch.iterdir():
            owner = left.name.partition("-")[0]
            if owner.isdigit() and not Path("/proc", owner).exists():
                shutil.rmtree(left, ignore_errors=True)

    def find(self, key: str) -> Path | None:
        folder = self._root / key
        return folder if folder.is_dir() else None

    @contextmanager
    def making(self, key: str) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self._scratch, prefix=f"{os.getpid()}-"))
        try:
            yield folder
            self._keep(folder, self._root / key)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(
                    "The disk is full.", hint="Free some space, then run the same command again."
                ) from error
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _keep(self, folder: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except OSError as error:
            # Somebody else made the same artifact first. Same key, same content: theirs is as good.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
