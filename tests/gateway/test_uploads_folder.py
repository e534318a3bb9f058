"""Tests of resumable uploads in a folder: locking, interruptions, expiry and full disks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.gateway.uploads_folder import FolderUploads
from shared.domain.error import NotFound, StateConflict, StorageFull, UploadExpired, UploadLocked, UploadTooLarge
from shared.infra.disk import DiskSpace
from tests.service_fakes import MovableClock

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def uploads(tmp_path: Path, clock: MovableClock) -> FolderUploads:
    return FolderUploads(tmp_path, DiskSpace(tmp_path, 0), clock)


def test_concurrent_access_to_an_upload_is_rejected(uploads: FolderUploads, clock: MovableClock) -> None:
    upload = uploads.create("ours", 6, "", clock.now + HOUR)

    def slowly() -> Iterator[bytes]:
        yield b"012"
        with pytest.raises(UploadLocked):
            uploads.append("ours", upload.id, 3, [b"345"], clock.now + HOUR)
        with pytest.raises(UploadLocked), uploads.reading("ours", upload.id):
            pass
        yield b"345"

    done = uploads.append("ours", upload.id, 0, slowly(), clock.now + HOUR)
    assert (done.offset, done.complete) == (6, True)
    with uploads.reading("ours", upload.id) as (_, blocks):
        assert b"".join(blocks) == b"012345"


def test_bytes_received_before_an_interruption_are_kept(uploads: FolderUploads, clock: MovableClock) -> None:
    upload = uploads.create("ours", 6, "", clock.now + HOUR)

    def broken() -> Iterator[bytes]:
        yield b"0123"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        uploads.append("ours", upload.id, 0, broken(), clock.now + HOUR)
    assert uploads.find("ours", upload.id).offset == 4
    with pytest.raises(StateConflict):
        uploads.append("ours", upload.id, 0, [b"0"], clock.now + HOUR)
    with pytest.raises(UploadTooLarge):
        uploads.append("ours", upload.id, 4, [b"456"], clock.now + HOUR)
    with pytest.raises(StateConflict), uploads.reading("ours", upload.id):
        pass


def test_every_append_extends_the_expiry(uploads: FolderUploads, clock: MovableClock) -> None:
    upload = uploads.create("ours", 6, "", clock.now + HOUR)
    clock.move(HOUR / 2)
    uploads.append("ours", upload.id, 0, [b"0"], clock.now + HOUR)
    clock.move(HOUR * 3 / 4)
    assert uploads.find("ours", upload.id).offset == 1
    clock.move(HOUR)
    with pytest.raises(UploadExpired):
        uploads.find("ours", upload.id)
    uploads.delete("ours", upload.id)
    with pytest.raises(NotFound):
        uploads.find("ours", upload.id)


def test_full_disk_raises_storage_full_and_keeps_received_bytes(tmp_path: Path, clock: MovableClock) -> None:
    with pytest.raises(StorageFull):
        FolderUploads(tmp_path, DiskSpace(tmp_path, 0), clock).create("ours", 1 << 60, "", clock.now + HOUR)
    full = FolderUploads(tmp_path, DiskSpace(tmp_path, 1 << 60), clock)
    upload = FolderUploads(tmp_path, DiskSpace(tmp_path, 0), clock).create("ours", 6, "", clock.now + HOUR)
    with pytest.raises(StorageFull):
        full.append("ours", upload.id, 0, [b"0"], clock.now + HOUR)
    assert full.find("ours", upload.id).offset == 0


@pytest.mark.parametrize("upload_id", ["../x", "..", "a/b", "", "x\0"])
def test_upload_id_cannot_be_a_path(uploads: FolderUploads, upload_id: str) -> None:
    with pytest.raises(NotFound):
        uploads.find("ours", upload_id)
