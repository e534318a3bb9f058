"""Counts, hashes and limits the bytes that are written to storage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from shared.domain.blob import Blob
from shared.domain.error import UploadTooLarge

BLOCK = 1 << 20


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
