"""Opens the database and the blob store that the settings configure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.engine import Database, open_database, unpooled_database
from shared.infra.private_files import make_private_folder
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.ports.blobs import BlobStore

if TYPE_CHECKING:
    from shared.infra.blobs_object import ObjectBlobs


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


def open_blob_store(storage: StorageSettings) -> BlobStore:
    if not storage.bucket:
        return FolderBlobs(_folder(storage) / "blobs", reserve=storage.reserve_mb << 20)
    return open_bucket(storage, storage.bucket)


def open_bucket(storage: StorageSettings, bucket: str) -> ObjectBlobs:
    """Opens a bucket of the object storage; reading from it needs no tenant."""
    from shared.infra.blobs_object import s3_blobs  # noqa: PLC0415 - load the S3 client only if a bucket is used

    return s3_blobs(
        bucket,
        endpoint=storage.endpoint or None,
        region=storage.region,
        access_key=storage.access_key.get_secret_value() or None,
        secret_key=storage.secret_key.get_secret_value() or None,
    )
