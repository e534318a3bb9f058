"""Stores blobs in S3-compatible object storage through obstore."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import GenericError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, MemoryStore, S3Store

from shared.domain.blob import Blob, blob_path
from shared.domain.error import NotFound
from shared.infra.hashing_reader import HashingReader
from shared.infra.storage_errors import storage_full, storage_unavailable

if TYPE_CHECKING:
    from obstore import GetResult, WritableFile
    from obstore.store import ClientConfig, RetryConfig

Storage = S3Store | MemoryStore | LocalStore

# obstore returns the server's error as text; these parts of it mean that an S3 server or a disk is full.
FULL = ("No space left on device", "StorageFull", "QuotaExceeded", "507 Insufficient Storage", "Disk quota exceeded")
PART = 8 << 20
PARTS_AT_ONCE = 2  # of one upload, which are in memory; by default they are twelve
# Retries before a request fails; a request without any response fails after 30 s.
RETRIES: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}


class ObjectBlobs:
    """Stores each blob as an object. A multipart upload becomes visible when complete, and is aborted on error."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def probe(self) -> None:
        """Lists objects, because a HEAD request does not distinguish a missing bucket from a missing object."""
        with raising_storage_unavailable():
            for _ in obstore.list(self._storage, "probe/", chunk_size=1):
                break

    def put(self, tenant: str, key: str, blocks: Iterable[bytes], *, max_bytes: int | None = None) -> Blob:
        counted = HashingReader(blocks, max_bytes)
        path = blob_path(tenant, key)
        # The blocks may come from another object, and obstore.put would read them where it accepts no call.
        writer = obstore.open_writer(self._storage, path, buffer_size=PART, max_concurrency=PARTS_AT_ONCE)
        with _closing_or_aborting(writer):
            for block in counted:
                with raising_storage_unavailable():
                    writer.write(block)
        return counted.blob

    def size(self, tenant: str, key: str) -> int | None:
        try:
            with raising_storage_unavailable():
                return obstore.head(self._storage, blob_path(tenant, key))["size"]
        except FileNotFoundError:
            return None

    def read(self, tenant: str, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        path = blob_path(tenant, key)
        size = self.size(tenant, key)
        if size is None:
            raise NotFound("The blob does not exist.")
        last = size if end is None else min(end, size)
        if start >= last:  # an S3 server answers an empty range with an error
            return iter(())
        with raising_storage_unavailable():
            response = obstore.get(self._storage, path, options={"range": (start, last)})
        return _blocks(response)

    def keys(self, tenant: str, prefix: str) -> Iterator[str]:
        top = blob_path(tenant, "x").removesuffix("x")
        with raising_storage_unavailable():
            for batch in obstore.list(self._storage, blob_path(tenant, prefix) + "/"):
                for found in batch:
                    yield found["path"].removeprefix(top)

    def delete_prefix(self, tenant: str, prefix: str) -> int:
        count = 0
        with raising_storage_unavailable():
            for batch in obstore.list(self._storage, blob_path(tenant, prefix) + "/"):
                paths = [found["path"] for found in batch]
                obstore.delete(self._storage, paths)
                count += len(paths)
        return count


def _blocks(response: GetResult) -> Iterator[bytes]:
    with raising_storage_unavailable():
        for block in response.stream():
            yield bytes(block)


@contextmanager
def _closing_or_aborting(writer: WritableFile) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        with suppress(OSError):  # the error of a write has aborted it
            writer.__exit__(type(error), error, error.__traceback__)
        raise
    with raising_storage_unavailable():
        writer.close()


@contextmanager
def raising_storage_unavailable() -> Iterator[None]:
    """Maps failed connections, 5xx responses and rejected credentials to storage errors."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, GenericError, PermissionDeniedError, UnauthenticatedError) as error:  # a writer raises OSError
        full = any(word in str(error) for word in FULL)
        raise (storage_full() if full else storage_unavailable()) from error


def s3_store(
    bucket: str, *, endpoint: str | None, region: str, access_key: str | None, secret_key: str | None
) -> S3Store:
    """Opens a bucket on AWS or at another endpoint; without keys the machine's credentials are used."""
    named: dict[str, str] = {}
    if endpoint:
        named["endpoint"] = endpoint
    if access_key and secret_key:
        named |= {"access_key_id": access_key, "secret_access_key": secret_key}
    plain = bool(endpoint and endpoint.startswith("http://"))
    options: ClientConfig = {"allow_http": plain}
    return S3Store(bucket, region=region, client_options=options, retry_config=RETRIES, **named)  # type: ignore[arg-type]
