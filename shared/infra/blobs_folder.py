"""Stores blobs in a folder: written to a temporary file, synced and renamed, so that writes are atomic."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.domain.blob import Blob, blob_path
from shared.domain.error import NotFound
from shared.infra.disk import DiskSpace
from shared.infra.hashing_reader import BLOCK, HashingReader
from shared.infra.storage_errors import (
    raising_storage_full,
    raising_storage_unavailable,
    storage_full,
    storage_unavailable,
)

SCRATCH = ".scratch"
ABANDONED_SECONDS = 3600


class FolderBlobs:
    """Stores each blob as a file; temporary files have the same root, because a rename cannot cross file systems."""

    def __init__(self, root: Path, *, reserve: int = 0) -> None:
        self._root = root
        self._disk = DiskSpace(root, reserve)
        self._scratch = root / SCRATCH
        with raising_storage_unavailable():
            self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._sweep()

    def probe(self) -> None:
        """Raises if the folder is not writable, for example because its volume is unmounted or read-only."""
        if not os.access(self._scratch, os.W_OK | os.X_OK):
            raise storage_unavailable()

    def _sweep(self) -> None:
        """Removes temporary files of killed processes; a file's name starts with the process id.

        Process ids of other containers on the same volume are unknown here, so files modified in the last hour stay.
        """
        for leftover in self._scratch.iterdir():
            with suppress(FileNotFoundError):  # another process has just renamed it
                owner = leftover.name.partition("-")[0]
                old = time.time() - leftover.stat().st_mtime > ABANDONED_SECONDS
                if old and owner.isdigit() and not Path("/proc", owner).exists():
                    leftover.unlink()

    def put(self, tenant: str, key: str, blocks: Iterable[bytes], *, max_bytes: int | None = None) -> Blob:
        target = self._root / blob_path(tenant, key)
        counted = HashingReader(blocks, max_bytes)
        with raising_storage_full(), self._temporary_file() as (handle, temporary):
            with os.fdopen(handle, "wb") as out:
                for block in counted:
                    with raising_storage_unavailable():
                        if not self._disk.has_space():
                            raise storage_full()
                        out.write(block)
                with raising_storage_unavailable():
                    out.flush()
                    os.fsync(out.fileno())
            with raising_storage_unavailable():
                self._commit(temporary, target)
        return counted.blob

    @contextmanager
    def _temporary_file(self) -> Iterator[tuple[int, Path]]:
        with raising_storage_unavailable():
            handle, name = tempfile.mkstemp(dir=self._scratch, prefix=f"{os.getpid()}-")
        try:
            yield handle, Path(name)
        finally:
            with raising_storage_unavailable():
                Path(name).unlink(missing_ok=True)

    def _commit(self, temporary: Path, target: Path) -> None:
        while True:
            self.probe()  # mkdir must not recreate the root of an unmounted volume
            target.parent.mkdir(parents=True, exist_ok=True)
            # Another process may delete the empty folder between the two calls.
            with suppress(FileNotFoundError):
                temporary.replace(target)
                break
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # otherwise a power failure could lose the name after its row was committed
        finally:
            os.close(folder)

    def size(self, tenant: str, key: str) -> int | None:
        path = self._root / blob_path(tenant, key)
        with raising_storage_unavailable():
            if path.is_file():
                return path.stat().st_size
        self.probe()  # a missing file proves nothing if the whole volume is unavailable
        return None

    def read(self, tenant: str, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        if self.size(tenant, key) is None:
            raise NotFound("The blob does not exist.")
        return _blocks(self._root / blob_path(tenant, key), start, end)

    def keys(self, tenant: str, prefix: str) -> Iterator[str]:
        top = self._root / blob_path(tenant, "x").removesuffix("/x")
        for path in (self._root / blob_path(tenant, prefix)).rglob("*"):
            if path.is_file():
                yield path.relative_to(top).as_posix()

    def delete_prefix(self, tenant: str, prefix: str) -> int:
        self.probe()
        folder = self._root / blob_path(tenant, prefix)
        count = sum(1 for _ in self.keys(tenant, prefix))
        with raising_storage_unavailable(), suppress(FileNotFoundError):
            shutil.rmtree(folder)
        return count


def _blocks(path: Path, start: int, end: int | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = (path.stat().st_size if end is None else end) - start
        while left > 0 and (block := file.read(min(BLOCK, left))):
            left -= len(block)
            yield block
