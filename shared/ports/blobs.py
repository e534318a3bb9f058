"""Port for the blob store: streaming writes with size and hash, range reads, deletion by prefix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from shared.domain.blob import Blob


class BlobStore(Protocol):
    """Stores blobs per tenant. A blob is complete or absent, never partial.

    Every call raises StorageUnavailable where the storage cannot be reached.
    """

    def probe(self) -> None:
        """Check that the storage is usable, with one small request, which may take long if it is not."""
        ...

    def put(self, tenant: str, key: str, blocks: Iterable[bytes], *, max_bytes: int | None = None) -> Blob:
        """Store the blocks as a stream; an error in the stream is raised and nothing is stored."""
        ...

    def size(self, tenant: str, key: str) -> int | None:
        """Size of the blob in bytes, or None if it does not exist."""
        ...

    def read(self, tenant: str, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end) in blocks; raises NotFound before the first block if the blob does not exist."""
        ...

    def keys(self, tenant: str, prefix: str) -> Iterator[str]:
        """The keys below this folder, unordered."""
        ...

    def delete_prefix(self, tenant: str, prefix: str) -> int:
        """Delete all blobs below this folder and return their number; idempotent."""
        ...
