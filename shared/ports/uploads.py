"""Port for the store of resumable uploads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from shared.domain.upload import Upload


class UploadStore(Protocol):
    """Stores resumable uploads; raises NotFound for another tenant's upload, UploadExpired for an expired one."""

    def create(self, tenant: str, length: int, metadata: str, expires_at: datetime) -> Upload: ...

    def find(self, tenant: str, upload_id: str) -> Upload: ...

    def append(self, tenant: str, upload_id: str, offset: int, blocks: Iterable[bytes], expires_at: datetime) -> Upload:
        """Store the received bytes, also of a cut stream. Raises StateConflict on a wrong offset; one writer only."""
        ...

    def reading(self, tenant: str, upload_id: str) -> AbstractContextManager[tuple[Upload, Iterator[bytes]]]:
        """The bytes of a complete upload, which is locked meanwhile."""
        ...

    def delete(self, tenant: str, upload_id: str) -> None: ...

    def sweep(self) -> int:
        """Delete expired uploads."""
        ...
