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


def machine(blobs: FolderBlobs, room: Path) -> BlobArtifacts:
    return BlobArtifacts(blobs, "ours", FOLDER, room)


def make(store: BlobArtifacts, key: str = "stage/1") -> None:
    with store.making(key) as folder:
        (folder / "value.json").write_text("{}")
        (folder / "samples.f32").write_bytes(bytes(1000))


def test_what_one_machine_made_another_one_finds(blobs: FolderBlobs, tmp_path: Path) -> None:
    make(machine(blobs, tmp_path / "one"))
    found = machine(blobs, tmp_path / "two").find("stage/1")
    assert found is not None
    assert sorted(path.name for path in found.iterdir()) == ["samples.f32", "value.json"]
    assert machine(blobs, tmp_path / "two").find("stage/2") is None


def test_values_are_had_without_the_arrays(blobs: FolderBlobs, tmp_path: Path) -> None:
    make(machine(blobs, tmp_path / "one"))
    found = machine(blobs, tmp_path / "two").fetch("stage/1", ending=".json")
    assert found is not None
    assert [path.name for path in found.iterdir()] == ["value.json"]


def test_without_its_manifest_it_is_not_there(blobs: FolderBlobs, tmp_path: Path) -> None:
    """A worker killed in the middle of its upload."""
    make(machine(blobs, tmp_path / "one"))
    (tmp_path / "blobs" / "ours" / FOLDER / "stage" / "1" / MANIFEST).unlink()
    assert machine(blobs, tmp_path / "two").find("stage/1") is None


def test_what_is_not_what_was_stored_is_not_used(blobs: FolderBlobs, tmp_path: Path) -> None:
    make(machine(blobs, tmp_path / "one"))
    blobs.put("ours", f"{FOLDER}/stage/1/value.json", [b"something else"])
    with pytest.raises(StoredDataMissing, match="does not match its stored hash"):
        machine(blobs, tmp_path / "two").fetch("stage/1")
    assert machine(blobs, tmp_path / "again").find("stage/1") is None, "so that its stage makes it anew"
    (tmp_path / "blobs" / "ours" / FOLDER / "stage" / "1" / "value.json").unlink()
    with pytest.raises(StoredDataMissing, match="no longer"):
        machine(blobs, tmp_path / "three").fetch("stage/1")


def test_the_right_to_write_is_asked_for_before_every_write(blobs: FolderBlobs, tmp_path: Path) -> None:
    asked: list[int] = []

    def check() -> None:
        asked.append(len(list(blobs.keys("ours", FOLDER))))
        if len(asked) == 3:
            raise LeaseLost("somebody else has it")

    with pytest.raises(LeaseLost):
        make(BlobArtifacts(blobs, "ours", FOLDER, tmp_path / "one", check))
    assert asked == [0, 1, 2]
    assert machine(blobs, tmp_path / "two").find("stage/1") is None
