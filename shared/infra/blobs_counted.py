"""Counts, hashes and limits the bytes written to storage, and maps file system errors to storage errors."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from shared.domain.blob import Blob
from shared.domain.error import StorageFull, StorageUnavailable, UploadTooLarge

BLOCK = 1 << 20
DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)


class HashingReader:
    """Iterates over blocks, and records their total size and SHA-256 hash."""

    def __init__(self, blocks: Iterable[bytes], max_bytes: int | None) -> None:
        self._blocks = blocks
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self._size += len(block)
            if self._max_bytes is not None and self._size > self._max_bytes:
                raise UploadTooLarge(f"The file is larger than {self._max_bytes} bytes, the maximum of this service.")
            self._hash.update(block)
            yield block

    @property
    def blob(self) -> Blob:
        return Blob(size=self._size, sha256=self._hash.hexdigest())


def storage_full() -> StorageFull:
    return StorageFull("The storage is full.", hint="Free some space or ask the operator to add some, then try again.")


@contextmanager
def raising_storage_full() -> Iterator[None]:
    """Maps an OSError for a full disk to StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL_ERRORS:
            raise storage_full() from error
        raise


def storage_unavailable() -> StorageUnavailable:
    return StorageUnavailable(
        "The storage cannot be reached.", hint="Try again later; the operator's log has the cause."
    )


@contextmanager
def raising_storage_unavailable() -> Iterator[None]:
    """Maps every OSError to a storage error; wrap only calls to the file system of the storage in it."""
    try:
        yield
    except OSError as error:
        raise (storage_full() if error.errno in DISK_FULL_ERRORS else storage_unavailable()) from error
