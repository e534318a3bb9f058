"""Checks the free space of a disk before large writes and for readiness."""

from __future__ import annotations

import shutil
from pathlib import Path

from shared.infra.storage_errors import raising_storage_unavailable


class DiskSpace:
    """Checks free space, and reserves some bytes for the database and for work in progress."""

    def __init__(self, folder: Path, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve

    def has_space(self, size: int = 0) -> bool:
        with raising_storage_unavailable():
            return shutil.disk_usage(self._folder).free - size >= self._reserve
