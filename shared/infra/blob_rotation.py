"""Encrypts stored blobs again with their tenants' newest keys. A run that was interrupted is continued by the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shared.domain.error import EncryptionKeyMissing, NotFound
from shared.domain.job_blobs import artifacts_folder, job_folder, media_folder
from shared.domain.retention import RetentionCategory
from shared.infra.blobs_encrypted import EncryptedBlobs
from shared.infra.database.blob_keys import SqlBlobKeys
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore

# A stage or an upload that began with the replaced key has ended by then.
REPLACED_KEY_PERIOD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RotatedBlobs:
    """How many blobs of a tenant were encrypted again, and of the others how many belong to a job that has not ended,
    or have a key that was destroyed."""

    encrypted: int
    skipped: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class BlobRotation:
    """Rotates the keys of one tenant after another, while the services run."""

    database: Database
    blobs: EncryptedBlobs
    keys: SqlBlobKeys

    def rotate(self, tenant: str) -> RotatedBlobs:
        newest = self.keys.newest(tenant).id
        encrypted: list[str] = []
        skipped = unreadable = 0
        for key in list(self.blobs.keys(tenant, "jobs")):
            try:
                header = self.blobs.header(tenant, key)
                if header is not None and header.key_id == newest:
                    continue
                if not self._is_kept(tenant, key):
                    skipped += 1
                    continue
                self.blobs.put(tenant, key, self.blobs.read(tenant, key))
            except (NotFound, FileNotFoundError):  # the dispatcher has just deleted it
                continue
            except EncryptionKeyMissing:
                unreadable += 1
                continue
            encrypted.append(key)
            self._delete_erased(tenant, key)
        for key in encrypted:  # the dispatcher may have marked the data as deleted just after the check above
            self._delete_erased(tenant, key)
        if not skipped:
            self.keys.delete_replaced(tenant, self.database.now - REPLACED_KEY_PERIOD)
        return RotatedBlobs(len(encrypted), skipped, unreadable)

    def _is_kept(self, tenant: str, key: str) -> bool:
        return SqlErasureStore(self.database).is_kept(tenant, key.split("/")[1], _place(key)[1])

    def _delete_erased(self, tenant: str, key: str) -> None:
        """Delete what was erased while it was encrypted again."""
        if not self._is_kept(tenant, key):
            self.blobs.delete_prefix(tenant, _place(key)[0])


def _place(key: str) -> tuple[str, RetentionCategory]:
    """The folder of a blob, and the category with which it is deleted."""
    job_id = key.split("/")[1]
    for folder, category in (
        (media_folder(job_id), RetentionCategory.MEDIA),
        (artifacts_folder(job_id), RetentionCategory.ARTIFACTS),
    ):
        if key.startswith(f"{folder}/"):
            return folder, category
    return job_folder(job_id), RetentionCategory.TRANSCRIPT
