"""Rotation encrypts the blobs of ended jobs with the newest key, can be interrupted, and restores nothing erased."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.domain.blob import Blob
from shared.domain.error import EncryptionKeyMissing, StorageFull
from shared.domain.job_blobs import media_folder, recording_key, transcript_key
from shared.domain.retention import RetentionCategory
from shared.infra.blob_rotation import BlobRotation, RotatedBlobs
from shared.infra.blobs_encrypted import EncryptedBlobs
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.blob_keys import SqlBlobKeys
from shared.infra.database.engine import Database, open_database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.secret_encryption import SecretCipher, new_key
from tests.service_fakes import ONE_STAGE, MovableClock, held, new_job

TENANT, DAY = "ours", timedelta(days=1)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(tmp_path: Path, clock: MovableClock) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'u.db'}", clock=clock)
    SqlKeyStore(opened).ensure_tenant(TENANT)
    yield opened
    opened.close()


@pytest.fixture
def stored(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


def rotation_of(database: Database, stored: FolderBlobs, *masters: str) -> BlobRotation:
    keys = SqlBlobKeys(database, SecretCipher(masters))
    return BlobRotation(database, EncryptedBlobs(stored, keys), keys)


@pytest.fixture
def rotation(database: Database, stored: FolderBlobs) -> BlobRotation:
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


def test_a_new_master_key_wraps_every_key_and_the_old_one_can_be_removed(
    database: Database, stored: FolderBlobs
) -> None:
    old, new = new_key(), new_key()
    job_id = job_with_blobs(rotation_of(database, stored, old))
    both = rotation_of(database, stored, new, old)
    assert (both.keys.wrap_again(), both.keys.wrap_again()) == (1, 0)
    only_new = rotation_of(database, stored, new)
    only_new.keys.check()
    assert intact(only_new, job_id)


def test_files_from_before_the_setting_are_encrypted(rotation: BlobRotation, stored: FolderBlobs) -> None:
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


def test_an_interrupted_rotation_is_continued(rotation: BlobRotation, stored: FolderBlobs, tmp_path: Path) -> None:
    class FullAfterOne(FolderBlobs):
        left = 1

        def put(self, tenant: str, key: str, blocks: Iterable[bytes], *, max_bytes: int | None = None) -> Blob:
            if not self.left:
                raise StorageFull("full")
            self.left -= 1
            return super().put(tenant, key, blocks, max_bytes=max_bytes)

    job_id = job_with_blobs(rotation)
    rotation.keys.create(TENANT)
    full = EncryptedBlobs(FullAfterOne(tmp_path / "blobs"), rotation.keys)
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
    rotation: BlobRotation, stored: FolderBlobs, tmp_path: Path, category: RetentionCategory | None
) -> None:
    job_id = job_with_blobs(rotation)

    class ErasedMeanwhile(FolderBlobs):
        def put(self, tenant: str, key: str, blocks: Iterable[bytes], *, max_bytes: int | None = None) -> Blob:
            content = list(blocks)
            if category is None:
                SqlJobStore(rotation.database).erase(tenant, job_id, by="test", reason="asked")
                stored.delete_prefix(tenant, f"jobs/{job_id}")
            else:
                SqlErasureStore(rotation.database).mark_deleted(category, tenant, job_id)
                stored.delete_prefix(tenant, media_folder(job_id))
            return super().put(tenant, key, content, max_bytes=max_bytes)

    rotation.keys.create(TENANT)
    racing = EncryptedBlobs(ErasedMeanwhile(tmp_path / "blobs"), rotation.keys)
    BlobRotation(rotation.database, racing, rotation.keys).rotate(TENANT)
    left = set(stored.keys(TENANT, f"jobs/{job_id}"))
    assert left == (set() if category is None else {transcript_key(job_id)})
