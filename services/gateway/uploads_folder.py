"""Stores resumable uploads in folders: a growing content file, whose size is the offset, and a metadata file."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from shared.domain.blob import blob_path
from shared.domain.error import NotFound, StateConflict, UploadExpired, UploadLocked, UploadTooLarge
from shared.domain.upload import Upload
from shared.infra.disk import DiskSpace
from shared.infra.hashing_reader import BLOCK
from shared.infra.storage_errors import (
    raising_storage_full,
    raising_storage_unavailable,
    storage_full,
    storage_unavailable,
)

METADATA_FILE, CONTENT = "upload.json", "content"
EXPIRED_KEPT_FOR = timedelta(days=1)  # during this time an expired upload is reported as expired, not as unknown


class FolderUploads:
    """Stores resumable uploads; gateways may share the folder, because writers use file locks."""

    def __init__(self, root: Path, disk: DiskSpace, clock: Callable[[], datetime]) -> None:
        self._root = root
        self._disk = disk
        self._clock = clock
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def reserved_bytes(self, tenant: str) -> int:
        """The announced lengths of the tenant's uploads that have not expired."""
        return sum(upload.length for upload in self._stored(tenant) if upload.expires_at > self._clock())

    @contextmanager
    def reserving(self, tenant: str) -> Iterator[None]:
        """Excludes other processes that create uploads of the tenant, while its quota is checked."""
        folder = self._folder(tenant, "quota").parent
        with raising_storage_unavailable():
            folder.mkdir(exist_ok=True, mode=0o700)
            lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def create(self, tenant: str, length: int, metadata: str, expires_at: datetime) -> Upload:
        if not self._disk.has_space(length):
            raise storage_full()
        upload = Upload(
            id=uuid4().hex, tenant=tenant, length=length, offset=0, metadata=metadata, expires_at=expires_at
        )
        folder = self._folder(tenant, upload.id)
        with raising_storage_unavailable():
            folder.mkdir(parents=True, mode=0o700)
            (folder / CONTENT).touch(mode=0o600)
            _write_metadata(folder, upload)
        return upload

    def find(self, tenant: str, upload_id: str) -> Upload:
        folder = self._folder(tenant, upload_id)
        with raising_storage_unavailable():
            try:
                stored = Upload.model_validate_json((folder / METADATA_FILE).read_bytes())
                offset = (folder / CONTENT).stat().st_size
            except FileNotFoundError:
                if not self._root.is_dir():
                    raise storage_unavailable() from None
                raise NotFound("There is no such upload.") from None
        if stored.expires_at <= self._clock():
            raise UploadExpired("The upload has expired.", hint="Start a new upload.")
        return stored.model_copy(update={"offset": offset})

    def receive(self, tenant: str, blocks: Iterable[bytes], max_bytes: int, expires_at: datetime) -> Upload:
        """Store an upload whose length is known only when it has ended."""
        upload = self.create(tenant, max_bytes, "", expires_at)
        try:
            received = self.append(tenant, upload.id, 0, blocks, expires_at)
        except BaseException:
            self.delete(tenant, upload.id)
            raise
        complete = received.model_copy(update={"length": received.offset})
        _write_metadata(self._folder(tenant, upload.id), complete)
        return complete

    def append(self, tenant: str, upload_id: str, offset: int, blocks: Iterable[bytes], expires_at: datetime) -> Upload:
        folder = self._folder(tenant, upload_id)
        with self._locked(tenant, upload_id) as upload:
            if upload.offset != offset:
                raise StateConflict(
                    f"The upload's offset is {upload.offset}, not {offset}.", hint="Request its offset with HEAD."
                )
            with raising_storage_unavailable():
                file = (folder / CONTENT).open("ab", buffering=0)
            with raising_storage_full(), file:
                try:
                    self._grow(file.fileno(), upload, blocks)
                finally:
                    with raising_storage_unavailable():
                        os.fsync(file.fileno())
            with raising_storage_unavailable():
                _write_metadata(folder, upload.model_copy(update={"expires_at": expires_at}))
        return self.find(tenant, upload_id)

    def _grow(self, file: int, upload: Upload, blocks: Iterable[bytes]) -> None:
        size = upload.offset
        for block in blocks:
            if size + len(block) > upload.length:
                raise UploadTooLarge(f"The upload is longer than the announced {upload.length} bytes.")
            if not self._disk.has_space():
                raise storage_full()
            left = memoryview(block)
            with raising_storage_unavailable():
                while left:
                    left = left[os.write(file, left) :]
            size += len(block)

    @contextmanager
    def reading(self, tenant: str, upload_id: str) -> Iterator[tuple[Upload, Iterator[bytes]]]:
        with self._locked(tenant, upload_id) as upload:
            if not upload.complete:
                raise StateConflict(
                    f"Only {upload.offset} of the upload's {upload.length} bytes were received.",
                    hint="Send the rest first.",
                )
            with (self._folder(tenant, upload_id) / CONTENT).open("rb") as file:
                yield upload, iter(lambda: file.read(BLOCK), b"")

    def delete(self, tenant: str, upload_id: str) -> None:
        with suppress(UploadExpired):
            self.find(tenant, upload_id)
        shutil.rmtree(self._folder(tenant, upload_id), ignore_errors=True)

    def sweep(self) -> int:
        count = 0
        for upload in self._stored("*"):
            folder = self._folder(upload.tenant, upload.id)
            with suppress(FileNotFoundError):
                if upload.expires_at <= self._clock():
                    os.truncate(folder / CONTENT, 0)
                    count += 1
                if upload.expires_at + EXPIRED_KEPT_FOR <= self._clock():
                    shutil.rmtree(folder, ignore_errors=True)
        return count

    def _stored(self, tenant: str) -> Iterator[Upload]:
        for metadata in self._root.glob(f"{tenant}/*/{METADATA_FILE}"):
            with suppress(FileNotFoundError):
                yield Upload.model_validate_json(metadata.read_bytes())

    @contextmanager
    def _locked(self, tenant: str, upload_id: str) -> Iterator[Upload]:
        """Locks the upload; the lock is released when its process ends, even if it is killed."""
        self.find(tenant, upload_id)
        with (self._folder(tenant, upload_id) / CONTENT).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UploadLocked("Another request is writing to this upload.", hint="Wait for it to end.") from None
            yield self.find(tenant, upload_id)

    def _folder(self, tenant: str, upload_id: str) -> Path:
        try:
            return self._root / blob_path(tenant, upload_id)
        except ValueError:
            raise NotFound("There is no such upload.") from None


def _write_metadata(folder: Path, upload: Upload) -> None:
    temporary = folder / f".{uuid4().hex}"
    temporary.write_text(upload.model_dump_json())
    temporary.replace(folder / METADATA_FILE)
