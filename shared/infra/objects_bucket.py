"""Reads other programs' objects in a bucket of the object storage that the settings describe."""

from __future__ import annotations

from collections.abc import Iterator

import obstore

from shared.domain.error import NotFound
from shared.domain.value import Value
from shared.infra.blobs_object import Storage, raising_storage_unavailable


class StoredObject(Value):
    key: str
    size: int
    version: str  # another one after the object was replaced


class ObjectsBucket:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with raising_storage_unavailable():
            for batch in obstore.list(self._storage, prefix or None):
                for found in batch:
                    version = found["e_tag"] or found["last_modified"].isoformat()
                    yield StoredObject(key=found["path"], size=found["size"], version=version)

    def read(self, key: str) -> Iterator[bytes]:
        try:
            with raising_storage_unavailable():
                response = obstore.get(self._storage, key)
                for block in response.stream():
                    yield bytes(block)
        except FileNotFoundError:
            raise NotFound("The object does not exist any more.") from None

    def write(self, key: str, content: bytes) -> None:
        with raising_storage_unavailable():
            obstore.put(self._storage, key, content)
