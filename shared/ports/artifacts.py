"""Port for the artifact store: immutable folders of files, keyed by what produced them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class ArtifactStore(Protocol):
    """Stores artifacts under `stage/fingerprint` keys; an artifact is complete or absent, never partial."""

    def find(self, key: str) -> Path | None:
        """The local folder of the finished artifact, or None."""
        ...

    def making(self, key: str) -> AbstractContextManager[Path]:
        """A temporary folder that becomes the artifact if the block succeeds, and is deleted otherwise."""
        ...
