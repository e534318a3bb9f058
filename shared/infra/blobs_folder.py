"""Blobs in a folder: written aside, synced and renamed, so that a kill or a power cut leaves all or nothing."""

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
from shared.infra.blobs_counted import (
    BLOCK,
    HashingReader,
    raising_storage_full,
    raising_storage_unavailable,
    storage_full,
    storage_unavailable,
)

SCRATCH = ".scratch"
ABANDONED_SECONDS = 3600


class FolderBlobs:
    """One file for each blob; scratch lies under the same root, for a rename does not cross file systems."""

    def __init__(self, root: Path, *, reserve: int = 0) -> None:
        self._root = root
        self._reserve = reserve  # bytes that stay free: the database beside us needs to write too
        self._scratch = root / SCRATCH
        with raising_storage_unavailable():
            self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._sweep()

    def probe(self) -> None:
        """The folder may be a volume that is not mounted now, or only to be read."""
        if not os.access(self._scratch, os.W_OK | os.X_OK):
            raise storage_unavailable()

    def _sweep(self) -> None:
        """Remove what processes left that were killed; their number stands in the file's name.

        Another container on the same volume has numbers of its own: what grew in the last hour is left alone too.
        """
        for left in self._scratch.iterdir():
            with suppress(FileNotFoundError):  # it was just finished
                owner = left.name.partition("-")[0]
                old = time.time() - left.stat().st_mtime > ABANDONED_SECONDS
                if old and owner.isdigit() and not Path("/proc", owner).exists():
                    left.unlink()

    def put(self, tenant: str, key: str, blocks: Iterable[bytes], *, max_bytes: int | None = None) -> Blob:
        target = self._root / blob_path(tenant, key)
        counted = HashingReader(blocks, max_bytes)
        with raising_storage_full(), self._aside() as (handle, aside):
            with os.fdopen(handle, "wb") as out:
                for block in counted:
                    with raising_storage_unavailable():
                        self._check_space()
                        out.write(block)
                with raising_storage_unavailable():
                    out.flush()
                    os.fsync(out.fileno())
            with raising_storage_unavailable():
                self._keep(aside, target)
        return counted.blob

    def has_space(self, size: int = 0) -> bool:
        """Whether that many bytes fit without touching the reserve: asked before an upload begins."""
        return shutil.disk_usage(self._root).free - size >= self._reserve

    def _check_space(self) -> None:
        if not self.has_space():
            raise storage_full()

    @contextmanager
    def _aside(self) -> Iterator[tuple[int, Path]]:
        with raising_storage_unavailable():
            handle, name = tempfile.mkstemp(dir=self._scratch, prefix=f"{os.getpid()}-")
        try:
            yield handle, Path(name)
        finally:
            with raising_storage_unavailable():
                Path(name).unlink(missing_ok=True)

    def _keep(self, aside: Path, target: Path) -> None:
        while True:
            self.probe()  # the next line would make a storage that is away anew
            target.parent.mkdir(parents=True, exist_ok=True)
            # Somebody may erase the empty folder between the two calls.
            with suppress(FileNotFoundError):
                aside.replace(target)
                break
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # without it the name may be gone after a power cut, while the row says it is there
        finally:
            os.close(folder)

    def size(self, tenant: str, key: str) -> int | None:
        path = self._root / blob_path(tenant, key)
        with raising_storage_unavailable():
            if path.is_file():
                return path.stat().st_size
        self.probe()  # nothing is there: where the folder itself is away, that says nothing about the blob
        return None

    def read(self, tenant: str, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        if self.size(tenant, key) is None:
            raise NotFound("There is no such thing in storage.")
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
