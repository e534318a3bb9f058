"""Where artifacts lie: immutable files, keyed by what made them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class ArtifactStore(Protocol):
    """A key is `stage/fingerprint`; what lies under it is complete or absent, never half there."""

    def find(self, key: str) -> Path | None:
        """The finished artifact's folder on this machine, or None."""
        ...

    def making(self, key: str) -> AbstractContextManager[Path]:
        """A scratch folder that becomes the artifact when the block ends well, and vanishes when it does not."""
        ...
