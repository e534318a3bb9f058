"""A watched folder and a watched bucket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from services.gateway.connectors.settings import ConnectorsSettings, WatchSettings
from services.gateway.connectors.watch import Watch
from shared.domain.error import NotFound
from shared.infra.objects_bucket import ObjectsBucket
from tests.gateway.conftest import Open
from tests.gateway.connectors.announcing import imported, imports, jobs, soon
from tests.gateway.serving import MP4, Gateway


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "watched").mkdir()
    return tmp_path / "watched"


@pytest.fixture
def gateway(opened: Open, folder: Path) -> Iterator[Gateway]:
    (folder / "old.mp4").write_bytes(MP4)
    with opened(connectors=settings(folder)) as one:
        yield one


def settings(folder: Path) -> ConnectorsSettings:
    return ConnectorsSettings(watch=WatchSettings(folder=str(folder), stable_seconds=0, tenant="ours"))


def found(watch: Watch) -> list[str]:
    return [recording.mix.name or "" for recording in watch.search() if recording.mix]


def test_a_file_becomes_a_job_once_also_after_a_restart(gateway: Gateway, opened: Open, folder: Path) -> None:
    (job,) = imported(gateway)
    assert job.job.recording.name == "old.mp4"
    assert job.metadata == {"source": {"platform": "watch", "place": "folder"}}
    restarted = Watch(settings(folder).watch)
    assert not found(restarted) and found(restarted) == ["old.mp4"], "this process announces it once more"
    with gateway.client() as client:
        assert soon(lambda: client.get("/v1/imports").json()["items"][0]["status"] == "done")
    assert len(jobs(gateway)) == len(imports(gateway)) == 1


def test_a_file_that_is_no_recording_is_marked_with_the_reason(gateway: Gateway, folder: Path) -> None:
    (folder / "text.mp4").write_bytes(b"not a recording")
    reason = folder / "text.mp4.failed.txt"
    assert soon(reason.exists)
    assert "unsupported_media" in reason.read_text()


def test_a_file_is_complete_when_its_size_and_time_are_stable(folder: Path) -> None:
    watch, path = Watch(WatchSettings(folder=str(folder), stable_seconds=0)), folder / "a" / "meeting.mp4"
    path.parent.mkdir()
    path.write_bytes(b"")
    assert not found(watch) and not found(watch), "it is empty"
    path.write_bytes(MP4)
    assert not found(watch)
    path.write_bytes(MP4 * 2)
    assert not found(watch), "its size has changed"
    os.utime(path, (1, 1))
    assert not found(watch), "its time has changed"
    assert found(watch) == ["meeting.mp4"] and not found(watch)
    slow = Watch(WatchSettings(folder=str(folder), stable_seconds=60))
    assert not found(slow) and not found(slow)


def test_hidden_files_links_and_other_files_are_ignored(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(MP4)
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / "links").symlink_to(tmp_path)
    for name in (".hidden.mp4", "meeting.mp4.part", "notes.txt"):
        (folder / name).write_bytes(MP4)
    (folder / ".trash").mkdir()
    (folder / ".trash" / "b.mp4").write_bytes(MP4)
    watch = Watch(WatchSettings(folder=str(folder), stable_seconds=0))
    assert not found(watch) and not found(watch)


def test_a_folder_that_becomes_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    inside = folder / "a"
    inside.mkdir()
    (inside / "b.mp4").write_bytes(MP4)
    watch = Watch(WatchSettings(folder=str(folder), stable_seconds=0))
    found(watch)
    (recording,) = watch.search()
    assert recording.mix is not None
    inside.rename(tmp_path / "moved")
    (folder / "a").symlink_to(tmp_path / "moved")
    with pytest.raises(NotFound):
        b"".join(watch.read_own(recording.mix))


def test_objects_below_the_prefix_are_read_from_the_bucket() -> None:
    bucket = ObjectsBucket(MemoryStore())
    for key in ("in/a.mp4", "in/notes.txt", "other/b.mp4"):
        bucket.write(key, MP4)
    watch = Watch(WatchSettings(bucket="recordings", prefix="in"), bucket)
    (recording,) = watch.search()
    assert recording.mix is not None and recording.mix.object == "in/a.mp4"
    assert b"".join(watch.read_own(recording.mix)) == MP4
    assert not list(watch.search())
    bucket.write("in/a.mp4", MP4 * 2)
    assert [one.mix and one.mix.object for one in watch.search()] == ["in/a.mp4"], "it was replaced"
    watch.mark_failed(recording, "no_audio")
    assert b"no_audio" in b"".join(bucket.read("in/a.mp4.failed.txt"))
    with pytest.raises(NotFound):
        b"".join(bucket.read("in/gone.mp4"))
