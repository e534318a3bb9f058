"""Tests of opening the database and the blob store from settings."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from obstore.exceptions import GenericError

from shared.domain.error import StorageFull
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.blobs_object import FULL, ObjectBlobs, raising_storage_unavailable
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.storage_factory import open_blob_store, open_database_for


def test_default_storage_is_one_folder(tmp_path: Path) -> None:
    storage = StorageSettings(folder=tmp_path)
    with closing(open_database_for(DatabaseSettings(), storage)) as database:
        blobs = open_blob_store(storage, database)
    assert (tmp_path / "undertone.db").is_file()
    assert isinstance(blobs, FolderBlobs) and (tmp_path / "blobs").is_dir()


def test_bucket_and_database_url_override_the_folder(tmp_path: Path) -> None:
    named = DatabaseSettings(url=f"sqlite:///{tmp_path / 'other.db'}")
    storage = StorageSettings(
        folder=tmp_path / "unused",
        bucket="b",
        endpoint="http://storage:9000",
        access_key="id",
        secret_key="s3cret",  # noqa: S106 - no secret
    )
    with closing(open_database_for(named, storage)) as database:
        assert (tmp_path / "other.db").is_file() and not (tmp_path / "unused").exists()
        assert isinstance(open_blob_store(storage, database), ObjectBlobs)
        assert isinstance(open_blob_store(StorageSettings(bucket="b"), database), ObjectBlobs)
    assert "s3cret" not in repr(storage)


@pytest.mark.parametrize("words", FULL)
def test_storage_full_messages_raise_storage_full(words: str) -> None:
    with pytest.raises(StorageFull), raising_storage_unavailable():
        raise GenericError(f"the server said: {words}")
