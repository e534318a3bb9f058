"""Where large immutable things lie: streamed in, counted and hashed on the way, read in ranges, deleted by prefix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from shared.domain.blob import Blob


class BlobStore(Protocol):
    """Keys belong to a tenant: there is no call without one. A blob is whole or absent, never half there.

    Every call raises StorageUnavailable where the storage cannot be reached.
    """

    def probe(self) -> None:
        """Whether the storage can be used, at the cost of one small request; it may take long where it cannot."""
        ...

    def put(self, tenant: str, key: str, blocks: Iterable[bytes], *, max_bytes: int | None = None) -> Blob:
        """Store the blocks as they come; whatever ends them early leaves nothing and is raised."""
        ...

    def size(self, tenant: str, key: str) -> int | None:
        """Bytes of the blob, or None where there is none."""
        ...

    def read(self, tenant: str, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end) in blocks; NotFound where there is no such blob, said before the first block."""
        ...

    def keys(self, tenant: str, prefix: str) -> Iterator[str]:
        """The keys below this folder, in no order."""
        ...

    def delete_prefix(self, tenant: str, prefix: str) -> int:
        """Erase everything below this folder and say how many; doing it again is no error."""
        ...
