"""Scratch folders of running stages: private, gone with the stage, and swept when their process was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"
OLD = 60.0  # seconds: a folder without a lock is only just being made, or its maker was killed there and then


class Scratch:
    """A living process holds a lock in its folder. The system lets go of it on any death, unlike a number in a name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextmanager
    def room(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self._root, prefix="stage-"))
        lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def sweep(self) -> int:
        """Remove what killed processes left; how many folders it was."""
        return sum(self._remove(folder) for folder in self._root.iterdir() if folder.is_dir())

    def _remove(self, folder: Path) -> bool:
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            if not _older(folder):
                return False
            shutil.rmtree(folder, ignore_errors=True)
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            shutil.rmtree(folder, ignore_errors=True)
            return True
        finally:
            os.close(lock)


def _older(folder: Path) -> bool:
    try:
        made = folder.stat().st_mtime
    except FileNotFoundError:
        return False
    return _now_of(folder) - made > OLD


def _now_of(folder: Path) -> float:
    """The file system's own clock: that of a network drive may differ from ours."""
    with tempfile.TemporaryFile(dir=folder.parent) as probe:
        return os.fstat(probe.fileno()).st_mtime
