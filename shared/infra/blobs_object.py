"""Blobs in object storage: anything S3-compatible, through obstore."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, S3Store

from shared.domain.blob import Blob, blob_path
from shared.domain.error import NotFound
from shared.infra.blobs_counted import CountedBlocks, storage_full

Storage = S3Store | MemoryStore | LocalStore

# The store hands the server's words on as text; these are how S3 servers and disks say that they are full.
FULL = ("No space left on device", "StorageFull", "QuotaExceeded", "507 Insufficient Storage", "Disk quota exceeded")
PART = 8 << 20


class ObjectBlobs:
    """One object for each blob. A multipart upload becomes visible when it is complete, and is aborted when not."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def put(self, tenant: str, key: str, blocks: Iterable[bytes], *, at_most: int | None = None) -> Blob:
        counted = CountedBlocks(blocks, at_most)
        path = blob_path(tenant, key)
        try:
            obstore.put(self._storage, path, iter(counted), use_multipart=True, chunk_size=PART)
        except BaseError as error:
            if any(word in str(error) for word in FULL):
                raise storage_full() from error
            raise
        return counted.blob

    def size(self, tenant: str, key: str) -> int | None:
        try:
            return obstore.head(self._storage, blob_path(tenant, key))["size"]
        except FileNotFoundError:
            return None

    def read(self, tenant: str, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        path = blob_path(tenant, key)
        size = self.size(tenant, key)
        if size is None:
            raise NotFound("There is no such thing in storage.")
        last = size if end is None else min(end, size)
        if start >= last:  # an S3 server answers an empty range with an error
            return iter(())
        answer = obstore.get(self._storage, path, options={"range": (start, last)})
        return (bytes(block) for block in answer.stream())

    def keys(self, tenant: str, prefix: str) -> Iterator[str]:
        top = blob_path(tenant, "x").removesuffix("x")
        for batch in obstore.list(self._storage, blob_path(tenant, prefix) + "/"):
            for found in batch:
                yield found["path"].removeprefix(top)

    def delete_prefix(self, tenant: str, prefix: str) -> int:
        count = 0
        for batch in obstore.list(self._storage, blob_path(tenant, prefix) + "/"):
            paths = [found["path"] for found in batch]
            obstore.delete(self._storage, paths)
            count += len(paths)
        return count


def s3_blobs(
    bucket: str, *, endpoint: str | None, region: str, access_key: str | None, secret_key: str | None
) -> ObjectBlobs:
    """A bucket of AWS, or of another server by its address; without keys those of the machine are used."""
    named: dict[str, str] = {}
    if endpoint:
        named["endpoint"] = endpoint
    if access_key and secret_key:
        named |= {"access_key_id": access_key, "secret_access_key": secret_key}
    plain = bool(endpoint and endpoint.startswith("http://"))
    return ObjectBlobs(S3Store(bucket, region=region, client_options={"allow_http": plain}, **named))  # type: ignore[arg-type]
