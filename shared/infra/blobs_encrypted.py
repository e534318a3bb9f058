"""Encrypts the blobs of another store with a key for each tenant; blobs that are not encrypted stay readable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from cryptography.exceptions import InvalidTag

from shared.domain.blob import Blob, blob_path
from shared.domain.error import NotFound, StoredDataMissing
from shared.infra.blob_encryption import (
    CHUNK,
    HEADER_BYTES,
    SEALED_CHUNK,
    BlobHeader,
    ChunkCipher,
    chunk_count,
    decrypted_bytes,
    encrypt_blocks,
    sealed_chunks,
)
from shared.infra.database.blob_keys import SqlBlobKeys
from shared.infra.hashing_reader import HashingReader
from shared.ports.blobs import BlobStore


class EncryptedBlobs:
    """Sizes, hashes and ranges are those of the content. Keys are not cached, so a destroyed key is gone at once."""

    def __init__(self, stored: BlobStore, keys: SqlBlobKeys) -> None:
        self._stored = stored
        self._keys = keys

    def probe(self) -> None:
        self._stored.probe()

    def put(self, tenant: str, key: str, blocks: Iterable[bytes], *, max_bytes: int | None = None) -> Blob:
        counted = HashingReader(blocks, max_bytes)
        self._stored.put(tenant, key, encrypt_blocks(self._keys.newest(tenant), blob_path(tenant, key), counted))
        return counted.blob

    def size(self, tenant: str, key: str) -> int | None:
        stored = self._stored.size(tenant, key)
        if stored is None or self.header(tenant, key) is None:
            return stored
        return decrypted_bytes(stored)

    def read(self, tenant: str, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        stored = self._stored.size(tenant, key)
        if stored is None:
            raise NotFound("The blob does not exist.")
        header = self.header(tenant, key)
        if header is None:
            return self._stored.read(tenant, key, start=start, end=end)
        size = decrypted_bytes(stored)
        if start >= size > 0:
            return iter(())
        self._cipher(tenant, key, header)  # a missing key is an error before the first block
        return self._decrypt(tenant, key, header, start, size if end is None else min(end, size), stored)

    def keys(self, tenant: str, prefix: str) -> Iterator[str]:
        return self._stored.keys(tenant, prefix)

    def delete_prefix(self, tenant: str, prefix: str) -> int:
        return self._stored.delete_prefix(tenant, prefix)

    def header(self, tenant: str, key: str) -> BlobHeader | None:
        """The header of a blob, or None if it is not encrypted."""
        return BlobHeader.parse(b"".join(self._stored.read(tenant, key, end=HEADER_BYTES)))

    def _cipher(self, tenant: str, key: str, header: BlobHeader) -> ChunkCipher:
        return ChunkCipher(self._keys.find(tenant, header.key_id), header, blob_path(tenant, key))

    def _decrypt(self, tenant: str, key: str, header: BlobHeader, start: int, end: int, stored: int) -> Iterator[bytes]:
        """The content from `start` to `end`, without any byte that is not authentic."""
        number, final, last = start // CHUNK, max(0, end - 1) // CHUNK, chunk_count(stored) - 1
        until = min(stored, HEADER_BYTES + SEALED_CHUNK * (final + 1))
        while number <= final:
            cipher = self._cipher(tenant, key, header)
            blocks = self._stored.read(tenant, key, start=HEADER_BYTES + SEALED_CHUNK * number, end=until)
            with suppress(InvalidTag):
                for sealed in sealed_chunks(blocks):
                    chunk = cipher.decrypt(number, sealed, last=number == last)
                    yield chunk[max(0, start - number * CHUNK) : max(0, end - number * CHUNK)]
                    number += 1
            if number <= final:
                replaced = self.header(tenant, key)
                if replaced is None or replaced == header:
                    raise StoredDataMissing("A file of this job is damaged, cut or replaced in storage.")
                header = replaced  # a rotation of keys encrypted the blob again while it was read
