"""The encrypted form of a blob: a header, then chunks that are authenticated one by one, so that ranges can be read.

Each blob has its own key, derived from its tenant's key, a random salt and the blob's path. The nonce of a chunk is its
number and whether it is the last one (STREAM), so chunks cannot be reordered, dropped or moved to another blob.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.domain.error import StoredDataMissing

MAGIC = b"UTE1"
ID_BYTES = 16
SALT_BYTES = 16
HEADER_BYTES = len(MAGIC) + ID_BYTES + SALT_BYTES
CHUNK = 1 << 16
TAG_BYTES = 16
SEALED_CHUNK = CHUNK + TAG_BYTES


@dataclass(frozen=True, slots=True)
class BlobKey:
    """A tenant's key for its blobs; `id` is 16 bytes as hexadecimal digits."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BlobHeader:
    """The key that encrypted a blob, and the blob's salt."""

    key_id: str
    salt: bytes

    @classmethod
    def parse(cls, content: bytes) -> BlobHeader | None:
        """The header, or None for a blob that is not encrypted."""
        if not content.startswith(MAGIC):
            return None
        if len(content) < HEADER_BYTES:
            raise StoredDataMissing("A file of this job is cut in storage.")
        return cls(content[len(MAGIC) : len(MAGIC) + ID_BYTES].hex(), content[-SALT_BYTES:])

    def content(self) -> bytes:
        return MAGIC + bytes.fromhex(self.key_id) + self.salt


class ChunkCipher:
    """Encrypts and decrypts the chunks of one blob."""

    def __init__(self, key: BlobKey, header: BlobHeader, path: str) -> None:
        derivation = HKDF(SHA256(), 32, salt=header.salt, info=b"undertone blob " + path.encode())
        self._cipher = AESGCM(derivation.derive(key.secret))

    def encrypt(self, number: int, chunk: bytes, *, last: bool) -> bytes:
        return self._cipher.encrypt(_nonce(number, last=last), chunk, None)

    def decrypt(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """Raise InvalidTag if this is not the chunk that was encrypted as this number."""
        return self._cipher.decrypt(_nonce(number, last=last), sealed, None)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def encrypt_blocks(key: BlobKey, path: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    header = BlobHeader(key.id, secrets.token_bytes(SALT_BYTES))
    cipher = ChunkCipher(key, header, path)
    yield header.content()
    waiting, number = bytearray(), 0
    for block in blocks:
        waiting += block
        sealed = []
        while len(waiting) > CHUNK:  # a chunk waits until another one follows: only the last is marked
            sealed.append(cipher.encrypt(number, bytes(waiting[:CHUNK]), last=False))
            del waiting[:CHUNK]
            number += 1
        if sealed:
            yield b"".join(sealed)
    yield cipher.encrypt(number, bytes(waiting), last=True)


def chunk_count(stored_bytes: int) -> int:
    return max(1, -(-(stored_bytes - HEADER_BYTES) // SEALED_CHUNK))


def decrypted_bytes(stored_bytes: int) -> int:
    """The size of the content of an encrypted blob."""
    return max(0, stored_bytes - HEADER_BYTES - TAG_BYTES * chunk_count(stored_bytes))


def sealed_chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Regroup the blocks of a stored blob, from the start of a chunk on, into its chunks."""
    waiting = bytearray()
    for block in blocks:
        waiting += block
        while len(waiting) >= SEALED_CHUNK:
            yield bytes(waiting[:SEALED_CHUNK])
            del waiting[:SEALED_CHUNK]
    if waiting:
        yield bytes(waiting)
