"""A watched folder or bucket prefix: every complete file in it becomes a job once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from services.gateway.connectors.connector import Connector, PlatformRecording, RemoteFile
from services.gateway.connectors.settings import WatchSettings
from shared.domain.error import NotFound
from shared.infra.objects_bucket import ObjectsBucket

SUFFIXES = frozenset((".mp4", ".mov", ".m4a", ".mkv", ".webm", ".mp3", ".wav", ".flac", ".ogg", ".opus", ".aac", ".ts"))
REASON = ".failed.txt"  # beside a recording that could not be imported
BLOCK = 1 << 20
MAX_NAME = 255


class Watch(Connector):
    name = "watch"
    settings: WatchSettings

    def __init__(self, settings: WatchSettings, bucket: ObjectsBucket | None = None) -> None:
        self.settings = settings
        self._bucket = bucket
        self._folder = Path(settings.folder) if settings.folder else None
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}  # size and time of a file, and since when
        self._announced: set[str] = set()

    def search(self) -> Iterator[PlatformRecording]:
        """The complete files that this process has not announced; the store contains those of other processes."""
        for recording in (*self._in_folder(), *self._in_bucket()):
            if recording.key not in self._announced:
                yield recording
                self._announced.add(recording.key)

    def read_own(self, file: RemoteFile) -> Iterator[bytes]:
        if file.path is not None and self._folder is not None:
            return _blocks(self._folder, file.path)
        if file.object is not None and self._bucket is not None:
            return self._bucket.read(file.object)
        return super().read_own(file)

    def mark_failed(self, recording: PlatformRecording, reason: str) -> None:
        content = f"Undertone could not import this recording: {reason}\n".encode()
        file = recording.mix
        if file and file.path and self._folder:
            target = self._folder / f"{file.path}{REASON}"
            part = target.with_name(f".{target.name}.part")  # renamed when complete, so no reader gets half a reason
            part.write_bytes(content)
            part.replace(target)
        elif file and file.object and self._bucket:
            self._bucket.write(f"{file.object}{REASON}", content)

    def _in_folder(self) -> Iterator[PlatformRecording]:
        """A file is complete when its size and time have not changed for a while."""
        if self._folder is None:
            return
        now, seen = time.monotonic(), self._seen
        self._seen = {}
        for path in _files(self._folder):
            try:
                state = path.lstat()
            except FileNotFoundError:  # deleted or renamed in the meantime
                continue
            label = path.relative_to(self._folder).as_posix()
            found = (state.st_size, state.st_mtime_ns)
            before, since = seen.get(label, (None, now))
            since = since if before == found else now
            self._seen[label] = (found, since)
            if before == found and state.st_size and now - since >= self.settings.stable_seconds:
                file = RemoteFile(path=label, name=path.name[-MAX_NAME:])
                yield PlatformRecording(key=f"{label}:{found[0]}:{found[1]}", mix=file, source={"place": "folder"})

    def _in_bucket(self) -> Iterator[PlatformRecording]:
        """An object appears when it is complete."""
        for found in self._bucket.list(self.settings.prefix) if self._bucket else ():
            if found.size and _is_recording(found.key):
                file = RemoteFile(object=found.key, name=found.key.rpartition("/")[2][-MAX_NAME:])
                yield PlatformRecording(key=f"{found.key}:{found.version}", mix=file, source={"place": "bucket"})


def _files(folder: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(top, name)
            if _is_recording(name) and path.is_file() and not path.is_symlink():
                yield path


def _is_recording(key: str) -> bool:
    name = key.rpartition("/")[2]
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _blocks(folder: Path, label: str) -> Iterator[bytes]:
    path = (folder / label).resolve()
    if not path.is_relative_to(folder.resolve()):  # a folder that was replaced by a link
        raise NotFound("The file does not exist any more.")
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
    except FileNotFoundError:
        raise NotFound("The file does not exist any more.") from None
