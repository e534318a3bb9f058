"""Rotation encrypts the blobs of ended jobs with the newest key, can be interrupted, and restores nothing erased."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.blob import Blob
from shared.domain.error import EncryptionKeyMissing, StorageFull
from shared.domain.job_blobs import media_folder, recording_key, transcript_key
from shared.domain.retention import RetentionCategory
from shared.infra.blob_rotation import BlobRotation, RotatedBlobs
from shared.infra.blobs_encrypted import EncryptedBlobs
from shared.infra.database.blob_keys import SqlBlobKeys
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.secret_encryption import SecretCipher, new_key
from shared.ports.blobs import BlobStore
from tests.service_fakes import ONE_STAGE, MovableClock, held, new_job
from tests.stores import Stores

TENANT, DAY = "ours", timedelta(days=1)


@pytest.fixture
def stored(stores: Stores) -> BlobStore:
    return stores.blobs()


class ChangedBlobs:
    """A store with a replaced write function."""

    def __init__(self, stored: BlobStore, put: Callable[[str, str, Iterable[bytes]], Blob]) -> None:
        self._put = put
        self.probe, self.size, self.read = stored.probe, stored.size, stored.read
        self.keys, self.delete_prefix = stored.keys, stored.delete_prefix

    def put(self, tenant: str, key: str, blocks: Iterable[bytes], *, max_bytes: int | None = None) -> Blob:
        return self._put(tenant, key, blocks)


def rotation_of(database: Database, stored: BlobStore, *masters: str) -> BlobRotation:
    keys = SqlBlobKeys(database, SecretCipher(masters))
    return BlobRotation(database, EncryptedBlobs(stored, keys), keys)


@pytest.fixture
def rotation(database: Database, stored: BlobStore) -> BlobRotation:
    return rotation_of(database, stored, new_key())


def job_with_blobs(rotation: BlobRotation, *, ended: bool = True) -> str:
    job = SqlJobStore(rotation.database).add(TENANT, new_job(ONE_STAGE))
    for key in (recording_key(job.id), transcript_key(job.id)):
        rotation.blobs.put(TENANT, key, [key.encode()])
    if ended:
        work = SqlWorkStore(rotation.database)
        work.publish(held(work, job.id, "publish"), seconds=1)
    return job.id


def intact(rotation: BlobRotation, job_id: str) -> bool:
    keys = (recording_key(job_id), transcript_key(job_id))
    return all(b"".join(rotation.blobs.read(TENANT, key)) == key.encode() for key in keys)


def test_blobs_get_the_new_key_and_the_old_one_is_deleted_a_day_later(
    rotation: BlobRotation, clock: MovableClock
) -> None:
    job_id = job_with_blobs(rotation)
    old = rotation.keys.newest(TENANT)
    clock.move(DAY)
    rotation.keys.create(TENANT)
    assert rotation.rotate(TENANT) == RotatedBlobs(2)
    assert rotation.rotate(TENANT) == RotatedBlobs(0)
    assert rotation.keys.find(TENANT, old.id) == old, "an upload may still write with it"
    clock.move(2 * DAY)
    rotation.rotate(TENANT)
    with pytest.raises(EncryptionKeyMissing):
        rotation.keys.find(TENANT, old.id)
    assert intact(rotation, job_id)


def test_a_new_master_key_wraps_every_key_and_the_old_one_can_be_removed(database: Database, stored: BlobStore) -> None:
    old, new = new_key(), new_key()
    job_id = job_with_blobs(rotation_of(database, stored, old))
    both = rotation_of(database, stored, new, old)
    assert (both.keys.wrap_again(), both.keys.wrap_again()) == (1, 0)
    only_new = rotation_of(database, stored, new)
    only_new.keys.check()
    assert intact(only_new, job_id)


def test_files_from_before_the_setting_are_encrypted(rotation: BlobRotation, stored: BlobStore) -> None:
    job_id = job_with_blobs(rotation)
    for key in (recording_key(job_id), transcript_key(job_id)):
        stored.put(TENANT, key, [key.encode()])
    assert intact(rotation, job_id)
    assert rotation.rotate(TENANT) == RotatedBlobs(2)
    assert intact(rotation, job_id)
    assert recording_key(job_id).encode() not in b"".join(stored.read(TENANT, recording_key(job_id)))


def test_a_job_that_runs_is_skipped_and_keeps_its_old_key(rotation: BlobRotation, clock: MovableClock) -> None:
    job_id = job_with_blobs(rotation, ended=False)
    rotation.keys.create(TENANT)
    clock.move(2 * DAY)
    assert rotation.rotate(TENANT) == RotatedBlobs(0, skipped=2)
    assert intact(rotation, job_id)


def test_an_interrupted_rotation_is_continued(rotation: BlobRotation, stored: BlobStore) -> None:
    left = iter([True])

    def write_one(*arguments: Any) -> Blob:
        if not next(left, False):
            raise StorageFull("full")
        return stored.put(*arguments)

    job_id = job_with_blobs(rotation)
    rotation.keys.create(TENANT)
    full = EncryptedBlobs(ChangedBlobs(stored, write_one), rotation.keys)
    with pytest.raises(StorageFull):
        BlobRotation(rotation.database, full, rotation.keys).rotate(TENANT)
    assert intact(rotation, job_id)
    assert rotation.rotate(TENANT) == RotatedBlobs(1)
    assert intact(rotation, job_id)


def test_files_of_a_destroyed_key_do_not_stop_the_others(rotation: BlobRotation) -> None:
    job_with_blobs(rotation)
    rotation.keys.destroy(TENANT)
    readable = job_with_blobs(rotation)
    rotation.keys.create(TENANT)
    assert rotation.rotate(TENANT) == RotatedBlobs(2, unreadable=2)
    assert intact(rotation, readable)


@pytest.mark.parametrize("category", [RetentionCategory.MEDIA, None], ids=["media", "job"])
def test_what_is_erased_meanwhile_is_not_restored(
    rotation: BlobRotation, stored: BlobStore, category: RetentionCategory | None
) -> None:
    job_id = job_with_blobs(rotation)

    def erase_and_write(tenant: str, key: str, blocks: Iterable[bytes]) -> Blob:
        content = list(blocks)
        if category is None:
            SqlJobStore(rotation.database).erase(tenant, job_id, by="test", reason="asked")
            stored.delete_prefix(tenant, f"jobs/{job_id}")
        else:
            SqlErasureStore(rotation.database).mark_deleted(category, tenant, job_id)
            stored.delete_prefix(tenant, media_folder(job_id))
        return stored.put(tenant, key, content)

    rotation.keys.create(TENANT)
    racing = EncryptedBlobs(ChangedBlobs(stored, erase_and_write), rotation.keys)
    BlobRotation(rotation.database, racing, rotation.keys).rotate(TENANT)
    left = set(stored.keys(TENANT, f"jobs/{job_id}"))
    assert left == (set() if category is None else {transcript_key(job_id)})
