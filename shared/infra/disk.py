"""Whether a disk has room: asked before something large comes, and by whoever decides where to send it."""

from __future__ import annotations

import shutil
from pathlib import Path

from shared.infra.blobs_counted import raising_storage_unavailable


class DiskSpace:
    """Some bytes stay free, for the database and for what is half-way done."""

    def __init__(self, folder: Path, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve

    def has_space(self, size: int = 0) -> bool:
        with raising_storage_unavailable():
            return shutil.disk_usage(self._folder).free - size >= self._reserve
