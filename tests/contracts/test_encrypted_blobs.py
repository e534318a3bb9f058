"""Blobs at rest are unreadable without their tenant's key, and every change of them in storage is detected."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from shared.domain.error import EncryptionKeyMissing, InvalidSetting, StoredDataMissing
from shared.infra.blob_encryption import CHUNK, HEADER_BYTES, SEALED_CHUNK
from shared.infra.blobs_encrypted import EncryptedBlobs
from shared.infra.database.blob_keys import SqlBlobKeys
from shared.infra.database.engine import Database
from shared.infra.secret_encryption import SecretCipher, new_key
from shared.infra.settings import StorageSettings
from shared.infra.storage_factory import open_blob_store
from shared.ports.blobs import BlobStore
from tests.stores import Stores

KEY = "jobs/j/media/recording"
CONTENT = random.Random(1).randbytes(3 * CHUNK + 1000)  # noqa: S311 - test data


@pytest.fixture
def keys(database: Database) -> SqlBlobKeys:
    return SqlBlobKeys(database, SecretCipher([new_key()]))


@pytest.fixture
def stored(stores: Stores) -> BlobStore:
    return stores.blobs()


@pytest.fixture
def blobs(stored: BlobStore, keys: SqlBlobKeys) -> EncryptedBlobs:
    made = EncryptedBlobs(stored, keys)
    made.put("ours", KEY, [CONTENT])
    return made


def sealed(stored: BlobStore) -> bytes:
    return b"".join(stored.read("ours", KEY))


def content(
    blobs: EncryptedBlobs, tenant: str = "ours", key: str = KEY, start: int = 0, end: int | None = None
) -> bytes:
    return b"".join(blobs.read(tenant, key, start=start, end=end))


def test_no_part_of_the_content_or_key_is_stored(blobs: EncryptedBlobs, keys: SqlBlobKeys, stores: Stores) -> None:
    secret = keys.newest("ours").secret
    names = []
    for name, kept in stores.contents():
        names.append(name)
        assert secret not in kept and secret.hex().encode() not in kept
        assert not any(CONTENT[at : at + 16] in kept for at in range(0, len(CONTENT) - 16, 1009)), name
    assert any(name.endswith(KEY) for name in names)


def test_an_upload_in_parts_is_exact_and_has_no_part_of_the_content(blobs: EncryptedBlobs, stored: BlobStore) -> None:
    """S3 takes parts of 8 MiB, whose borders are not those of chunks."""
    large = random.Random(2).randbytes((20 << 20) + 1)  # noqa: S311 - test data
    assert blobs.put("ours", KEY, [large[at : at + (1 << 20)] for at in range(0, len(large), 1 << 20)]).size == len(
        large
    )
    assert content(blobs) == large
    for border in (8 << 20, 16 << 20):
        assert content(blobs, start=border - 99, end=border + CHUNK) == large[border - 99 : border + CHUNK]
    assert not [at for at in range(0, len(large) - 16, 100_003) if large[at : at + 16] in sealed(stored)]


def test_every_range_is_exact_at_the_borders_of_chunks(blobs: EncryptedBlobs) -> None:
    edges = sorted({max(0, at + step) for at in (0, CHUNK, 2 * CHUNK, 3 * CHUNK, len(CONTENT)) for step in (-1, 0, 1)})
    for start in edges:
        for end in [*edges, None]:
            assert content(blobs, start=start, end=end) == CONTENT[start:end], (start, end)


def test_the_blobs_of_two_tenants_have_different_keys(
    blobs: EncryptedBlobs, keys: SqlBlobKeys, stored: BlobStore
) -> None:
    blobs.put("theirs", KEY, [b"x"])
    assert keys.newest("ours").secret != keys.newest("theirs").secret
    stored.put("theirs", KEY, [sealed(stored)])
    with pytest.raises(EncryptionKeyMissing):
        content(blobs, "theirs")


@pytest.mark.parametrize("size", [10, HEADER_BYTES, HEADER_BYTES + 10, HEADER_BYTES + SEALED_CHUNK, -1])
def test_a_cut_blob_is_detected(blobs: EncryptedBlobs, stored: BlobStore, size: int) -> None:
    stored.put("ours", KEY, [sealed(stored)[:size]])
    with pytest.raises(StoredDataMissing):
        content(blobs)


def test_swapped_dropped_and_changed_chunks_are_detected(blobs: EncryptedBlobs, stored: BlobStore) -> None:
    whole = sealed(stored)
    head = whole[:HEADER_BYTES]
    chunks = [whole[at : at + SEALED_CHUNK] for at in range(HEADER_BYTES, len(whole), SEALED_CHUNK)]
    changed = bytes([chunks[1][0] ^ 1]) + chunks[1][1:]
    for order in (
        [chunks[1], chunks[0], *chunks[2:]],
        [chunks[0], *chunks[2:]],
        [chunks[0], chunks[0], *chunks[2:]],
        [chunks[0], changed, *chunks[2:]],
        [*chunks, chunks[-1]],
    ):
        stored.put("ours", KEY, [head, *order])
        with pytest.raises(StoredDataMissing):
            content(blobs)


def test_a_blob_that_was_moved_to_another_key_is_detected(blobs: EncryptedBlobs, stored: BlobStore) -> None:
    other = "jobs/j/transcript.json"
    stored.put("ours", other, [sealed(stored)])
    with pytest.raises(StoredDataMissing):
        content(blobs, key=other)


def test_a_range_of_a_damaged_blob_that_is_intact_is_readable(blobs: EncryptedBlobs, stored: BlobStore) -> None:
    damaged = bytearray(sealed(stored))
    damaged[-1] ^= 1
    stored.put("ours", KEY, [bytes(damaged)])
    assert content(blobs, end=CHUNK) == CONTENT[:CHUNK]
    with pytest.raises(StoredDataMissing):
        content(blobs, start=len(CONTENT) - 1)


def test_a_blob_that_is_encrypted_again_while_it_is_read_stays_readable(blobs: EncryptedBlobs) -> None:
    reading = blobs.read("ours", KEY)
    first = next(reading)
    blobs.put("ours", KEY, [CONTENT])
    assert first + b"".join(reading) == CONTENT
    ready = blobs.read("ours", KEY)
    blobs.put("ours", KEY, [CONTENT])
    assert b"".join(ready) == CONTENT


def test_destroyed_keys_make_every_blob_unreadable_and_new_blobs_get_a_new_key(
    blobs: EncryptedBlobs, keys: SqlBlobKeys, database: Database, stores: Stores
) -> None:
    with database.reading() as connection:
        wrapped = str(connection.exec_driver_sql("SELECT wrapped FROM blob_keys").scalar()).encode()
    assert keys.destroy("ours") == 1
    assert database.purge_deleted()
    with pytest.raises(EncryptionKeyMissing) as missing:
        content(blobs)
    assert missing.value.code == "encryption_key_missing" and missing.value.hint
    stores.maintain()
    assert not [name for name, kept in stores.contents() if wrapped in kept], "a copy of the key remains"
    blobs.put("ours", KEY, [b"new"])
    assert content(blobs) == b"new"


def test_a_service_without_the_master_key_does_not_start(database: Database, tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    plain = StorageSettings(folder=tmp_path / "state", reserve_mb=0)
    keyed = plain.model_copy(update={"encryption_keys": type(plain.encryption_keys)(old)})
    open_blob_store(plain, database).put("ours", "jobs/j/key", [b"plain"])
    open_blob_store(keyed, database).put("ours", KEY, [b"secret"])
    assert b"".join(open_blob_store(keyed, database).read("ours", "jobs/j/key")) == b"plain"
    for settings in (plain, plain.model_copy(update={"encryption_keys": type(plain.encryption_keys)(new)})):
        with pytest.raises(EncryptionKeyMissing, match="STORAGE__ENCRYPTION_KEYS"):
            open_blob_store(settings, database)
    rotated = plain.model_copy(update={"encryption_keys": type(plain.encryption_keys)(f"{new},{old}")})
    assert b"".join(open_blob_store(rotated, database).read("ours", KEY)) == b"secret"


def test_master_keys_can_be_in_a_file(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    settings = StorageSettings(folder=tmp_path / "state", encryption_keys_file=str(file), reserve_mb=0)
    with pytest.raises(InvalidSetting, match="cannot be read"):
        open_blob_store(settings, database)
    file.write_text(new_key() + "\n")
    open_blob_store(settings, database).put("ours", KEY, [CONTENT])
    assert CONTENT[:64] not in (tmp_path / "state/blobs/ours" / KEY).read_bytes()
    assert isinstance(open_blob_store(settings, database), EncryptedBlobs)
