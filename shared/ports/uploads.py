"""Where resumable uploads wait until they are whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from shared.domain.upload import Upload


class UploadStore(Protocol):
    """Another tenant's upload is NotFound, like one that never was; one that expired is UploadExpired."""

    def create(self, tenant: str, length: int, metadata: str, expires_at: datetime) -> Upload: ...

    def find(self, tenant: str, upload_id: str) -> Upload: ...

    def append(self, tenant: str, upload_id: str, offset: int, blocks: Iterable[bytes], expires_at: datetime) -> Upload:
        """Keep what comes, also when it breaks off. StateConflict if that is not the offset; one writer at a time."""
        ...

    def reading(self, tenant: str, upload_id: str) -> AbstractContextManager[tuple[Upload, Iterator[bytes]]]:
        """The bytes of a whole upload, held against others meanwhile."""
        ...

    def delete(self, tenant: str, upload_id: str) -> None: ...

    def sweep(self) -> int:
        """Remove what has expired."""
        ...
