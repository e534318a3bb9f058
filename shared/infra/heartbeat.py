"""A heartbeat file that a process touches after successful work, for the container's health check."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# Set in containers, where `services/container/health.py` checks the file's age.
HEARTBEAT_FILE_VARIABLE = "UNDERTONE_HEARTBEAT_FILE"
HEARTBEAT_SECONDS = 10.0  # maximum seconds between heartbeats of an idle process


@dataclass(frozen=True, slots=True)
class Heartbeat:
    path: Path | None = None  # None: no heartbeat file

    @classmethod
    def from_environment(cls) -> Heartbeat:
        name = os.environ.get(HEARTBEAT_FILE_VARIABLE)
        return cls(Path(name) if name else None)

    def touch(self) -> None:
        if self.path is not None:
            self.path.touch()
