"""Contract tests of artifact stores: atomic writes, the first writer wins, no temporary files remain."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from shared.domain.error import StorageFull
from shared.infra.artifacts_blobs import BlobArtifacts
from shared.infra.artifacts_folder import FolderArtifacts
from shared.infra.blobs_folder import FolderBlobs
from shared.ports.artifacts import ArtifactStore


@pytest.fixture(params=["folder", "blobs"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "folder":
        return FolderArtifacts(tmp_path)
    return BlobArtifacts(FolderBlobs(tmp_path / "blobs"), "ours", "jobs/j/artifacts", tmp_path)


def make(store: ArtifactStore, key: str, content: str) -> None:
    with store.making(key) as folder:
        (folder / "a.txt").write_text(content)


def scratch(root: Path) -> list[Path]:
    return [path for path in (root / ".scratch").iterdir() if path.is_dir()]


def test_artifact_is_found_and_missing_artifact_is_none(store: ArtifactStore, tmp_path: Path) -> None:
    assert store.find("stage/1") is None
    make(store, "stage/1", "one")
    found = store.find("stage/1")
    assert found is not None and (found / "a.txt").read_text() == "one"
    assert scratch(tmp_path) == []


def test_failed_write_leaves_no_files(store: ArtifactStore, tmp_path: Path) -> None:
    def fail() -> None:
        with store.making("stage/1") as folder:
            (folder / "a.txt").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert store.find("stage/1") is None
    assert scratch(tmp_path) == []


def test_first_of_two_writers_of_the_same_key_wins(store: ArtifactStore) -> None:
    with store.making("stage/1") as folder:
        (folder / "a.txt").write_text("second")
        make(store, "stage/1", "first")
    found = store.find("stage/1")
    assert found is not None and (found / "a.txt").read_text() == "first"


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, OSError)]
)
def test_full_disk_raises_storage_full(store: ArtifactStore, number: int, kind: type[Exception]) -> None:
    with pytest.raises(kind), store.making("stage/1"):
        raise OSError(number, "error text of the operating system")
    assert store.find("stage/1") is None


def test_files_of_killed_writer_are_removed_when_the_store_opens(tmp_path: Path) -> None:
    store = FolderArtifacts(tmp_path)
    dead = tmp_path / ".scratch" / "999999999-dead"
    dead.mkdir(parents=True)
    with store.making("stage/1"):
        FolderArtifacts(tmp_path)
        assert not dead.exists()
        assert len(scratch(tmp_path)) == 1, "files of a running process are kept"


def test_unwritable_target_raises_an_error(tmp_path: Path) -> None:
    (tmp_path / "stage").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="stage"):
        make(FolderArtifacts(tmp_path), "stage/1", "one")
