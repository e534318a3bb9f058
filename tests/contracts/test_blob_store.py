"""Contract tests of blob stores: atomic writes, sizes and hashes, isolation of tenants."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from shared.domain.error import NotFound, StorageFull, StorageUnavailable, UploadTooLarge
from shared.infra.blobs_encrypted import EncryptedBlobs
from shared.infra.blobs_folder import SCRATCH, FolderBlobs
from shared.infra.blobs_object import ObjectBlobs, s3_store
from shared.infra.database.blob_keys import SqlBlobKeys
from shared.infra.database.engine import open_database
from shared.infra.secret_encryption import SecretCipher, new_key
from shared.ports.blobs import BlobStore
from tests.stores import Stores, s3_bucket

BIG = (b"0123456789abcdef" * 65536,) * 20  # 20 MiB: more than one part


@pytest.fixture(params=["folder", "memory", "local", "s3", "folder-encrypted", "memory-encrypted", "s3-encrypted"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    kind, _, encrypted = request.param.partition("-")
    with (
        opened_store(kind, tmp_path) as stored,
        closing(open_database(f"sqlite:///{tmp_path / 'keys.db'}")) as database,
    ):
        keys = SqlBlobKeys(database, SecretCipher([new_key()]))
        yield EncryptedBlobs(stored, keys) if encrypted else stored
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "key" not in path.name], (
        "temporary files remain"
    )


@contextmanager
def opened_store(kind: str, folder: Path) -> Iterator[BlobStore]:
    match kind:
        case "folder":
            yield FolderBlobs(folder)
        case "memory":
            yield ObjectBlobs(MemoryStore())
        case "local":
            yield ObjectBlobs(LocalStore(folder))
        case _:
            with s3_bucket() as bucket:
                yield Stores(folder, "", bucket).blobs()


@pytest.fixture
def tenant() -> str:
    return "ours"


def put(store: BlobStore, tenant: str, key: str, *blocks: bytes) -> None:
    store.put(tenant, key, blocks)


@pytest.mark.parametrize("blocks", [(), (b"",), (b"one ", b"two"), BIG], ids=["none", "empty", "small", "parts"])
def test_put_returns_size_and_hash_and_read_returns_the_bytes(
    store: BlobStore, tenant: str, blocks: tuple[bytes, ...]
) -> None:
    whole = b"".join(blocks)
    blob = store.put(tenant, "jobs/1/key", iter(blocks))
    assert (blob.size, blob.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert store.size(tenant, "jobs/1/key") == len(whole)
    assert b"".join(store.read(tenant, "jobs/1/key")) == whole


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [(0, 3, b"012"), (4, None, b"456789"), (8, 99, b"89"), (3, 3, b""), (10, None, b""), (99, 200, b"")],
)
def test_range_is_half_open_and_ends_at_the_end_of_the_blob(
    store: BlobStore, tenant: str, start: int, end: int | None, part: bytes
) -> None:
    put(store, tenant, "key", b"0123456789")
    assert b"".join(store.read(tenant, "key", start=start, end=end)) == part


def test_range_of_a_large_blob_spans_blocks(store: BlobStore, tenant: str) -> None:
    put(store, tenant, "key", *BIG)
    start, end = (1 << 20) - 3, (3 << 20) + 5
    assert b"".join(store.read(tenant, "key", start=start, end=end)) == b"".join(BIG)[start:end]


def test_reading_a_missing_blob_raises_not_found_immediately(store: BlobStore, tenant: str) -> None:
    assert store.size(tenant, "key") is None
    with pytest.raises(NotFound):
        store.read(tenant, "key")


def test_interrupted_put_leaves_no_blob_and_keeps_the_previous_one(store: BlobStore, tenant: str) -> None:
    def broken() -> Iterator[bytes]:
        yield from BIG
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.put(tenant, "a-key", broken())
    assert store.size(tenant, "a-key") is None
    put(store, tenant, "a-key", b"old")
    with pytest.raises(ConnectionResetError):
        store.put(tenant, "a-key", broken())
    assert b"".join(store.read(tenant, "a-key")) == b"old"


def test_put_over_the_limit_is_rejected_while_reading(store: BlobStore, tenant: str) -> None:
    def endless() -> Iterator[bytes]:
        yield from chain(BIG, BIG)
        pytest.fail("reading continued after the limit")

    with pytest.raises(UploadTooLarge, match="1000"):
        store.put(tenant, "key", endless(), max_bytes=1000)
    assert store.size(tenant, "key") is None
    assert store.put(tenant, "key", (b"x" * 1000,), max_bytes=1000).size == 1000


def test_a_blob_can_be_copied_while_it_is_read(store: BlobStore, tenant: str) -> None:
    put(store, tenant, "key", *BIG)
    store.put(tenant, "key-copy", store.read(tenant, "key"))
    store.put(tenant, "key-part", store.read(tenant, "key", start=1))
    assert b"".join(store.read(tenant, "key-copy")) == b"".join(BIG)
    assert b"".join(store.read(tenant, "key-part")) == b"".join(BIG)[1:]


def test_second_put_replaces_the_blob(store: BlobStore, tenant: str) -> None:
    put(store, tenant, "key", b"one")
    put(store, tenant, "key", b"second")
    assert b"".join(store.read(tenant, "key")) == b"second"


def test_prefix_is_a_folder_and_deleting_it_twice_is_no_error(store: BlobStore, tenant: str) -> None:
    for key in ("jobs/1/key", "jobs/1/sub/key", "jobs/10/key"):
        put(store, tenant, key, b"x")
    assert sorted(store.keys(tenant, "jobs/1")) == ["jobs/1/key", "jobs/1/sub/key"]
    assert store.delete_prefix(tenant, "jobs/1") == 2
    assert store.delete_prefix(tenant, "jobs/1") == 0
    assert list(store.keys(tenant, "jobs")) == ["jobs/10/key"]


def test_tenant_cannot_read_or_delete_blobs_of_another(store: BlobStore, tenant: str) -> None:
    other = f"{tenant}x"
    put(store, tenant, "jobs/1/key", b"x")
    assert store.size(other, "jobs/1/key") is None
    assert list(store.keys(other, "jobs")) == []
    assert store.delete_prefix(other, "jobs") == 0
    assert store.size(tenant, "jobs/1/key") == 1


def test_key_outside_the_folder_is_rejected(store: BlobStore, tenant: str) -> None:
    for key in ("../other/key", "/etc/key", ".scratch/key"):
        with pytest.raises(ValueError, match="plain words"):
            put(store, tenant, key, b"x")


def test_reserved_disk_space_is_not_used(tmp_path: Path, tenant: str) -> None:
    store = FolderBlobs(tmp_path, reserve=1 << 60)
    with pytest.raises(StorageFull):
        put(store, tenant, "key", b"x")
    assert store.size(tenant, "key") is None


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, OSError)]
)
def test_full_disk_raises_storage_full(tmp_path: Path, tenant: str, number: int, kind: type[Exception]) -> None:
    def failing() -> Iterator[bytes]:
        yield b"x"
        raise OSError(number, "error text of the operating system")

    with pytest.raises(kind):
        FolderBlobs(tmp_path).put(tenant, "key", failing())
    assert not list((tmp_path / SCRATCH).iterdir())


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["/bin/umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("kind", ["folder", "local"])
def test_real_full_disk_raises_storage_full(tiny_disk: Path, tenant: str, kind: str) -> None:
    store: BlobStore = FolderBlobs(tiny_disk) if kind == "folder" else ObjectBlobs(LocalStore(tiny_disk))
    with pytest.raises(StorageFull):
        store.put(tenant, "key", BIG)
    assert store.size(tenant, "key") is None
    put(store, tenant, "key", b"x" * 1000)


def test_files_of_killed_writer_are_removed_when_the_store_opens(tmp_path: Path, tenant: str) -> None:
    store = FolderBlobs(tmp_path)
    old = tmp_path / SCRATCH / "999999999-dead"
    recent = tmp_path / SCRATCH / "999999999-in-another-container"
    for path in (old, recent):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))

    def blocks() -> Iterator[bytes]:
        yield b"x"
        FolderBlobs(tmp_path)
        yield b"y"

    assert store.put(tenant, "key", blocks()).size == 2, "files of a running process are kept"
    assert list((tmp_path / SCRATCH).iterdir()) == [recent]


def test_probe_passes_for_available_storage(store: BlobStore) -> None:
    store.probe()
    store.probe()


def unavailable_store(kind: str, folder: Path) -> BlobStore:
    """Opens a store and then makes its storage unavailable."""
    if kind == "bucket":
        closed = s3_store("bucket", endpoint="http://127.0.0.1:9", region="us-east-1", access_key="k", secret_key="s")  # noqa: S106
        return ObjectBlobs(closed)
    store = FolderBlobs(folder / "blobs")
    put(store, "ours", "key", b"x")
    (folder / "blobs").rename(folder / "aside")
    return store


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_unavailable_storage_raises_storage_unavailable(tmp_path: Path, kind: str) -> None:
    """A missing blob must not be reported, because callers would treat the data as lost."""
    store = unavailable_store(kind, tmp_path)
    calls: dict[str, Callable[[], object]] = {
        "probe": store.probe,
        "put": lambda: store.put("ours", "key", (b"x",)),
        "size": lambda: store.size("ours", "key"),
        "read": lambda: store.read("ours", "key"),
        "delete_prefix": lambda: store.delete_prefix("ours", "jobs"),
    }
    for name, call in calls.items():
        with pytest.raises(StorageUnavailable) as raised:
            call()
        assert str(tmp_path) not in raised.value.message, name
    assert not (tmp_path / "blobs").exists(), "the folder is not created again"
