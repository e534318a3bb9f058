"""Measures what the encryption of stored files costs: writing, reading, and a range of a large recording.

python bench/encryption.py [MEGABYTES]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.infra.blobs_encrypted import EncryptedBlobs
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.blob_keys import SqlBlobKeys
from shared.infra.database.engine import open_database
from shared.infra.secret_encryption import SecretCipher, new_key
from shared.ports.blobs import BlobStore

MEGABYTES = int(sys.argv[1]) if len(sys.argv) > 1 else 256
BLOCK = 1 << 20
RUNS = 5
RANGE = 1 << 16


def seconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return median(taken)


def read(store: BlobStore, start: int = 0, end: int | None = None) -> int:
    return sum(len(block) for block in store.read("t", "recording", start=start, end=end))


def main() -> None:
    content = np.random.default_rng(0).bytes(MEGABYTES * BLOCK)
    blocks = [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/u.db")
        plain = FolderBlobs(Path(folder, "blobs"))
        keys = SqlBlobKeys(database, SecretCipher([new_key()]))
        for name, store in (("plain", plain), ("encrypted", EncryptedBlobs(plain, keys))):
            written = seconds(lambda store=store: store.put("t", "recording", blocks))  # type: ignore[misc]
            whole = seconds(lambda store=store: read(store))  # type: ignore[misc]
            part = seconds(lambda store=store: read(store, len(content) // 2, len(content) // 2 + RANGE))  # type: ignore[misc]
            print(
                f"{name}: {1000 * written / MEGABYTES:.2f} ms of CPU to write a MB, {1000 * whole / MEGABYTES:.2f} to "
                f"read it, {1000 * part:.2f} for a range of {RANGE >> 10} KiB"
            )
        database.close()


if __name__ == "__main__":
    main()
