"""Opens the database and the blob store that the settings configure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shared.domain.error import EncryptionKeyMissing, InvalidSetting
from shared.infra.blobs_encrypted import EncryptedBlobs
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.blob_keys import SqlBlobKeys, has_blob_keys
from shared.infra.database.engine import Database, open_database, unpooled_database
from shared.infra.private_files import make_private_folder
from shared.infra.secret_encryption import SecretCipher
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.ports.blobs import BlobStore

if TYPE_CHECKING:
    from obstore.store import S3Store

    from shared.infra.objects_bucket import ObjectsBucket

ENCRYPTION_KEYS = "STORAGE__ENCRYPTION_KEYS"


def open_database_for(settings: DatabaseSettings, storage: StorageSettings) -> Database:
    return open_database(_address(settings, storage), wait_seconds=settings.wait_seconds)


def open_unpooled_database(settings: DatabaseSettings, storage: StorageSettings) -> Database:
    return unpooled_database(_address(settings, storage))


def _address(settings: DatabaseSettings, storage: StorageSettings) -> str:
    return settings.url.get_secret_value() or f"sqlite:///{_folder(storage) / 'undertone.db'}"


def _folder(storage: StorageSettings) -> Path:
    folder = storage.folder.expanduser()
    make_private_folder(folder)
    return folder


def open_blob_store(storage: StorageSettings, database: Database) -> BlobStore:
    keys = open_blob_keys(storage, database)
    stored = open_unencrypted_blobs(storage)
    return stored if keys is None else EncryptedBlobs(stored, keys)


def open_blob_keys(storage: StorageSettings, database: Database) -> SqlBlobKeys | None:
    """The keys of the blobs, or None if this deployment does not encrypt them."""
    text = storage.encryption_keys.get_secret_value()
    if storage.encryption_keys_file:
        text = _content(Path(storage.encryption_keys_file))
    if not text:
        if has_blob_keys(database):
            raise EncryptionKeyMissing(
                f"The files of this deployment are encrypted, and {ENCRYPTION_KEYS} is not set.",
                hint=f"Set {ENCRYPTION_KEYS} to the keys that were used.",
            )
        return None
    keys = SqlBlobKeys(database, SecretCipher.from_text(text, ENCRYPTION_KEYS))
    keys.check()
    return keys


def _content(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(
            f"The file of STORAGE__ENCRYPTION_KEYS_FILE cannot be read ({type(error).__name__})."
        ) from None


def open_unencrypted_blobs(storage: StorageSettings) -> BlobStore:
    if not storage.bucket:
        return FolderBlobs(_folder(storage) / "blobs", reserve=storage.reserve_mb << 20)
    from shared.infra.blobs_object import ObjectBlobs  # noqa: PLC0415 - load the S3 client only if a bucket is set

    return ObjectBlobs(_open_s3(storage.bucket, storage))


def open_bucket(bucket: str, storage: StorageSettings) -> ObjectsBucket:
    """A bucket of other programs at the same endpoint, with the same keys."""
    from shared.infra.objects_bucket import ObjectsBucket  # noqa: PLC0415 - see above

    return ObjectsBucket(_open_s3(bucket, storage))


def _open_s3(bucket: str, storage: StorageSettings) -> S3Store:
    from shared.infra.blobs_object import s3_store  # noqa: PLC0415 - see above

    return s3_store(
        bucket,
        endpoint=storage.endpoint or None,
        region=storage.region,
        access_key=storage.access_key.get_secret_value() or None,
        secret_key=storage.secret_key.get_secret_value() or None,
    )
