"""Maps errors of the file system to storage errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from shared.domain.error import StorageFull, StorageUnavailable

DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)


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
    """Maps every OSError to a storage error; use it only around calls to the storage's file system."""
    try:
        yield
    except OSError as error:
        raise (storage_full() if error.errno in DISK_FULL_ERRORS else storage_unavailable()) from error
