"""Private scratch folders of running stages, deleted with the stage, or swept if their process was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from shared.domain.error import InvalidSetting

LOCK = ".lock"


class Scratch:
    """Each process holds a lock file next to its folder; the kernel releases the lock when the process dies.

    The lock is created before the folder and deleted after it, so a folder with a free or missing lock has no owner.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if root.stat().st_uid != os.geteuid():  # below /tmp another user could have created it, and could read it
            raise InvalidSetting(
                f"The scratch folder {root} belongs to another user.", hint="Set another folder in WORKER__SCRATCH."
            )

    @contextmanager
    def folder(self) -> Iterator[Path]:
        folder = self._root / f"stage-{uuid4().hex[:12]}"
        with self._locked(folder):
            try:
                folder.mkdir(mode=0o700)
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> int:
        """Delete the folders of killed processes; return their number."""
        names = {path.name.removesuffix(LOCK) for path in self._root.iterdir() if path.name.startswith("stage-")}
        return sum(self._remove(self._root / name) for name in names)

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        path = _lock_of(folder)
        while True:
            lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_still(path, lock):
                break
            os.close(lock)  # a sweep deleted it before this process had locked it
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(lock)

    def _remove(self, folder: Path) -> bool:
        path = _lock_of(folder)
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            shutil.rmtree(folder, ignore_errors=True)
            if _is_still(path, lock):
                path.unlink()
            return True
        finally:
            os.close(lock)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + LOCK)


def _is_still(path: Path, lock: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(lock).st_ino
    except FileNotFoundError:
        return False
