"""Creates files and folders that only this user may read, and repairs the permissions of existing ones."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_private_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    restrict(folder, FOLDER_MODE)


def make_private_file(path: Path) -> None:
    """Creates the file empty if it does not exist; its folder too, if that does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    restrict(path, FILE_MODE)


def restrict(path: Path, mode: int) -> None:
    """Removes the permissions of other users. A mounted volume may belong to another user, who decides about it."""
    with suppress(FileNotFoundError):
        found = path.stat()
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & ~mode:
            path.chmod(mode)
