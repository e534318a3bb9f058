from __future__ import annotations

from pathlib import Path

import pytest

from shared.domain.error import LeaseLost, StoredDataMissing
from shared.infra.artifacts_blobs import MANIFEST, BlobArtifacts
from shared.infra.blobs_folder import FolderBlobs

FOLDER = "jobs/j/artifacts"


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


def machine(blobs: FolderBlobs, workdir: Path) -> BlobArtifacts:
    return BlobArtifacts(blobs, "ours", FOLDER, workdir)


def make(store: BlobArtifacts, key: str = "stage/1") -> None:
    with store.making(key) as folder:
        (folder / "value.json").write_text("{}")
        (folder / "samples.f32").write_bytes(bytes(1000))


def test_artifact_of_one_machine_is_found_on_another(blobs: FolderBlobs, tmp_path: Path) -> None:
    make(machine(blobs, tmp_path / "one"))
    found = machine(blobs, tmp_path / "two").find("stage/1")
    assert found is not None
    assert sorted(path.name for path in found.iterdir()) == ["samples.f32", "value.json"]
    assert machine(blobs, tmp_path / "two").find("stage/2") is None


def test_fetch_with_ending_downloads_only_matching_files(blobs: FolderBlobs, tmp_path: Path) -> None:
    make(machine(blobs, tmp_path / "one"))
    found = machine(blobs, tmp_path / "two").fetch("stage/1", ending=".json")
    assert found is not None
    assert [path.name for path in found.iterdir()] == ["value.json"]


def test_artifact_without_manifest_is_not_found(blobs: FolderBlobs, tmp_path: Path) -> None:
    """This is the state after a worker was killed during the upload."""
    make(machine(blobs, tmp_path / "one"))
    (tmp_path / "blobs" / "ours" / FOLDER / "stage" / "1" / MANIFEST).unlink()
    assert machine(blobs, tmp_path / "two").find("stage/1") is None


def test_changed_file_is_rejected(blobs: FolderBlobs, tmp_path: Path) -> None:
    make(machine(blobs, tmp_path / "one"))
    blobs.put("ours", f"{FOLDER}/stage/1/value.json", [b"something else"])
    with pytest.raises(StoredDataMissing, match="does not match its stored hash"):
        machine(blobs, tmp_path / "two").fetch("stage/1")
    assert machine(blobs, tmp_path / "again").find("stage/1") is None, "its stage must create it again"
    (tmp_path / "blobs" / "ours" / FOLDER / "stage" / "1" / "value.json").unlink()
    with pytest.raises(StoredDataMissing, match="missing from storage"):
        machine(blobs, tmp_path / "three").fetch("stage/1")


def test_lease_is_checked_before_every_write(blobs: FolderBlobs, tmp_path: Path) -> None:
    checks: list[int] = []

    def check() -> None:
        checks.append(len(list(blobs.keys("ours", FOLDER))))
        if len(checks) == 3:
            raise LeaseLost("another worker has the lease")

    with pytest.raises(LeaseLost):
        make(BlobArtifacts(blobs, "ours", FOLDER, tmp_path / "one", check))
    assert checks == [0, 1, 2]
    assert machine(blobs, tmp_path / "two").find("stage/1") is None
