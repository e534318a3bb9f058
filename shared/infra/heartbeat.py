"""A file that a process touches after work that succeeded, so that a health check can tell that it makes progress."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HEARTBEAT_FILE_VARIABLE = (
    "UNDERTONE_HEARTBEAT_FILE"  # set in containers, where `services/container/health.py` looks at the file's age
)
HEARTBEAT_SECONDS = 10.0  # seconds between beats, at most, of a process that has nothing to do


@dataclass(frozen=True, slots=True)
class Heartbeat:
    path: Path | None = None  # None: nobody looks

    @classmethod
    def from_environment(cls) -> Heartbeat:
        name = os.environ.get(HEARTBEAT_FILE_VARIABLE)
        return cls(Path(name) if name else None)

    def touch(self) -> None:
        if self.path is not None:
            self.path.touch()
